import { invalid } from '../errors.ts';

/**
 * The `filters` query parameter: per key a list of values. Values of one key are alternatives and keys must all hold; of `label` every value must hold.
 * Both encodings are read: `{"key":["value"]}` and the older `{"key":{"value":true}}`.
 */
export class Filters {
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(values: ReadonlyMap<string, readonly string[]> = new Map()) {
    this.#values = values;
  }

  /** The filter keys that were given. */
  keys(): string[] {
    return [...this.#values.keys()];
  }

  has(key: string): boolean {
    return this.#values.has(key);
  }

  /** The values of a key, empty where the key was not given. */
  get(key: string): readonly string[] {
    return this.#values.get(key) ?? [];
  }

  /** Refuses a key that is not in `accepted`. @throws EngineApiError invalid_argument */
  validate(accepted: readonly string[]): this {
    for (const key of this.#values.keys()) {
      if (!accepted.includes(key)) throw invalid(`invalid filter '${key}'`, 'INVALID_FILTER');
    }
    return this;
  }

  /** Whether the key is absent or one of its values equals `source`. */
  exact(key: string, source: string): boolean {
    const values = this.get(key);
    return values.length === 0 || values.includes(source);
  }

  /** Whether the key is absent or one of its values equals `source`, begins it, or matches it as a regular expression. */
  match(key: string, source: string): boolean {
    const values = this.get(key);
    return values.length === 0 || values.some((value) => value === source || matchesPattern(value, source));
  }

  /** Whether the key is absent or `source` begins with one of its values. */
  prefix(key: string, source: string): boolean {
    const values = this.get(key);
    return values.length === 0 || values.some((value) => source.startsWith(value));
  }

  /** Whether all values of a label key (`name` or `name=value`) hold for `labels`. */
  matchLabels(key: string, labels: Readonly<Record<string, string>> | undefined): boolean {
    return this.get(key).every((wanted) => hasLabel(labels ?? {}, wanted));
  }

  /** Whether none of the values of a negative label key (`label!`) holds for `labels`. */
  matchNoLabels(key: string, labels: Readonly<Record<string, string>> | undefined): boolean {
    return this.get(key).every((unwanted) => !hasLabel(labels ?? {}, unwanted));
  }

  /** The one boolean value of a key, or `fallback`. @throws EngineApiError invalid_argument where it is no boolean or says both */
  bool(key: string, fallback: boolean): boolean {
    const values = this.get(key);
    if (values.length === 0) return fallback;
    const truths = new Set(values.map((value) => {
      if (['1', 'true', 't', 'T', 'TRUE', 'True'].includes(value)) return true;
      if (['0', 'false', 'f', 'F', 'FALSE', 'False'].includes(value)) return false;
      throw invalid(`invalid filter '${key}=[${values.join(' ')}]'`, 'INVALID_FILTER');
    }));
    if (truths.size > 1) throw invalid(`invalid filter '${key}=[${values.join(' ')}]'`, 'INVALID_FILTER');
    return truths.has(true);
  }
}

function hasLabel(labels: Readonly<Record<string, string>>, wanted: string): boolean {
  const equals = wanted.indexOf('=');
  const name = equals < 0 ? wanted : wanted.slice(0, equals);
  const value = Object.hasOwn(labels, name) ? labels[name] : undefined;
  return value !== undefined && (equals < 0 || value === wanted.slice(equals + 1));
}

function matchesPattern(pattern: string, source: string): boolean {
  try {
    return new RegExp(pattern, 'u').test(source);
  } catch {
    return false; // not a regular expression: then it can only be equal, which the caller has tested
  }
}

/** Parses the `filters` parameter. @throws EngineApiError invalid_argument where it is not JSON of one of the two shapes */
export function parseFilters(text: string | null | undefined): Filters {
  if (text === null || text === undefined || text === '') return new Filters();
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw invalid(`invalid filter: ${error instanceof Error ? error.message : String(error)}`, 'INVALID_FILTER');
  }
  if (parsed === null) return new Filters();
  if (typeof parsed !== 'object' || Array.isArray(parsed)) throw invalid('invalid filter: want a JSON object', 'INVALID_FILTER');
  return new Filters(new Map(Object.entries(parsed).map(([key, values]: [string, unknown]) => [key, valuesOf(key, values)])));
}

function valuesOf(key: string, values: unknown): string[] {
  if (Array.isArray(values) && values.every((value) => typeof value === 'string')) return values;
  if (typeof values === 'object' && values !== null && !Array.isArray(values)) {
    const entries = Object.entries(values);
    if (entries.every(([, chosen]: [string, unknown]) => typeof chosen === 'boolean')) return entries.filter(([, chosen]: [string, unknown]) => chosen === true).map(([value]) => value);
  }
  throw invalid(`invalid filter: the values of '${key}' are neither a list nor a set of strings`, 'INVALID_FILTER');
}
