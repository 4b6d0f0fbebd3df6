import { invalidArgument } from '../errors.ts';
import { scanQuoted } from './scanner.ts';

/** Reads one field of an object; undefined when the object has no such field. An empty string counts as absent for the presence test. */
export type FieldReader<T> = (object: T, path: readonly string[]) => string | undefined;

/** One comma-joined expression: every selector has to match. */
export type Filter = readonly Selector[];

type Operator = 'present' | '==' | '!=' | '~=';

interface Selector {
  readonly path: readonly string[];
  readonly operator: Operator;
  readonly value: string;
  readonly pattern: RegExp | undefined;
}

/** Characters of one filter expression, a limit of ours against a client that sends megabytes. */
export const FILTER_LENGTH_MAX: number = 64 * 1024;

/**
 * Parses containerd's filter expressions, for example `labels."a.b/c"==x,name~=|^docker|`.
 *
 * @throws ContainerdError `invalid_argument`, `INVALID_FILTER`
 */
export function parseFilters(expressions: readonly string[]): readonly Filter[] {
  return expressions.map((expression) => new Parser(expression).parse());
}

/** Whether an object passes: without filters each does, else one of them has to match. */
export function matchesAny<T>(filters: readonly Filter[], object: T, read: FieldReader<T>): boolean {
  return filters.length === 0 || filters.some((filter) => filter.every((selector) => matches(selector, object, read)));
}

/** The objects that pass. */
export function select<T>(filters: readonly Filter[], objects: readonly T[], read: FieldReader<T>): T[] {
  return objects.filter((object) => matchesAny(filters, object, read));
}

/** Reads `labels.…`: the rest of the path joined by dots is the key. */
export function readMap(map: Readonly<Record<string, string>>, path: readonly string[]): string | undefined {
  const key = path.join('.');
  return Object.hasOwn(map, key) ? map[key] : undefined;
}

function matches<T>(selector: Selector, object: T, read: FieldReader<T>): boolean {
  const value = read(object, selector.path);
  switch (selector.operator) {
    case 'present':
      return value !== undefined && value !== '';
    case '==':
      return value !== undefined && value === selector.value;
    case '!=':
      return (value ?? '') !== selector.value;
    case '~=':
      return selector.pattern?.test(value ?? '') ?? false;
  }
}

const FIELD = /^[A-Za-z_][A-Za-z0-9_]*/;
const OPERATOR_CHARACTERS = /^[=!~]+/;
const OPERATORS: ReadonlySet<string> = new Set(['==', '!=', '~=']);

/** Recursive descent over one expression; `at` is the next character to read. */
class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    if (text.length > FILTER_LENGTH_MAX) throw invalidArgument('INVALID_FILTER', `filters: parse error: longer than ${String(FILTER_LENGTH_MAX)} characters`);
    this.#text = text;
  }

  parse(): Filter {
    const selectors: Selector[] = [];
    if (this.#text === '') return selectors;
    for (;;) {
      selectors.push(this.#selector());
      if (this.#at >= this.#text.length) return selectors;
      if (this.#text.charAt(this.#at) !== ',') throw this.#error(`unexpected input: ${this.#text.charAt(this.#at)}`);
      this.#at += 1;
    }
  }

  #selector(): Selector {
    const path = this.#fieldPath();
    const operatorAt = this.#skipSpaces();
    if (operatorAt >= this.#text.length || this.#text.charAt(operatorAt) === ',') {
      return { path, operator: 'present', value: '', pattern: undefined };
    }
    this.#at = operatorAt;
    const operator = this.#operator();
    const value = this.#value(operator === '~=');
    return { path, operator, value, pattern: operator === '~=' ? compile(value) : undefined };
  }

  #fieldPath(): string[] {
    const path = [this.#field()];
    while (this.#text.charAt(this.#at) === '.') {
      this.#at += 1;
      path.push(this.#field());
    }
    return path;
  }

  #field(): string {
    this.#at = this.#skipSpaces();
    if (this.#text.charAt(this.#at) === '"') return this.#quoted('"');
    const field = FIELD.exec(this.#text.slice(this.#at))?.[0];
    if (field === undefined) throw this.#error('expected field or quoted');
    this.#at += field.length;
    return field;
  }

  #operator(): Exclude<Operator, 'present'> {
    const characters = OPERATOR_CHARACTERS.exec(this.#text.slice(this.#at))?.[0];
    if (characters === undefined) throw this.#error('expected an operator ("=="|"!="|"~=")');
    if (!OPERATORS.has(characters)) throw this.#error(`unsupported operator "${characters}"`);
    this.#at += characters.length;
    return characters === '==' || characters === '!=' ? characters : '~=';
  }

  #value(allowPatternQuotes: boolean): string {
    this.#at = this.#skipSpaces();
    const first = this.#text.charAt(this.#at);
    if (first === '"') return this.#quoted(first);
    if (first === '/' || first === '|') {
      if (!allowPatternQuotes) throw this.#error('invalid quote encountered');
      return this.#quoted(first);
    }
    const value = /^[^\s,]+/.exec(this.#text.slice(this.#at))?.[0];
    if (value === undefined) throw this.#error('expected value or quoted');
    this.#at += value.length;
    return value;
  }

  #quoted(quote: string): string {
    const result = scanQuoted(this.#text, this.#at + 1, quote);
    if ('error' in result) throw this.#error(result.error);
    this.#at = result.end;
    return result.value;
  }

  #skipSpaces(): number {
    let at = this.#at;
    while (/\s/.test(this.#text.charAt(at))) at += 1;
    return at;
  }

  /** Marks the place as containerd does: `[before >|here|< behind]: text`. */
  #error(text: string): Error {
    const here = this.#text.charAt(this.#at);
    const marked = here === '' ? this.#text : `${this.#text.slice(0, this.#at)} >|${here}|< ${this.#text.slice(this.#at + 1)}`;
    return invalidArgument('INVALID_FILTER', `filters: parse error: [${marked}]: ${text}`);
  }
}

/** Compiles a pattern. One that cannot be compiled matches nothing, as in the original, which finds it out while matching. */
function compile(pattern: string): RegExp | undefined {
  const flags = /^\(\?([is]+)\)/.exec(pattern);
  try {
    return flags === null ? new RegExp(pattern) : new RegExp(pattern.slice(flags[0].length), flags[1]);
  } catch {
    return undefined;
  }
}
