import { BuilderError } from './errors.ts';

/**
 * Replaces `$name`, `${name}`, `${name:-word}`, `${name:+word}`, `${name:?word}` and the forms without colon. Quotes stay; single quotes and the escape
 * character protect what follows them.
 *
 * @throws BuilderError `INVALID_SUBSTITUTION` for another modifier, a missing brace, or `:?` of an unset variable.
 */
export function substitute(text: string, lookup: (name: string) => string | undefined, escape = '\\'): string {
  let out = '';
  let isSingleQuoted = false;
  for (let index = 0; index < text.length;) {
    const character = text.charAt(index);
    if (character === "'") isSingleQuoted = !isSingleQuoted;
    if (isSingleQuoted || character !== '$') {
      const protects = !isSingleQuoted && character === escape && index + 1 < text.length;
      // An escaped dollar is a plain dollar; any other escape is left for the word splitter.
      out += protects ? (text.charAt(index + 1) === '$' ? '$' : text.slice(index, index + 2)) : character;
      index += protects ? 2 : 1;
      continue;
    }
    const { value, length } = variable(text.slice(index), lookup, escape);
    out += value;
    index += length;
  }
  return out;
}

function variable(text: string, lookup: (name: string) => string | undefined, escape: string): { value: string; length: number } {
  const plain = /^\$([A-Za-z_]\w*|\d)/.exec(text);
  if (plain) return { value: lookup(plain[1] ?? '') ?? '', length: plain[0].length };
  if (!text.startsWith('${')) return { value: '$', length: 1 };
  const end = closingBrace(text);
  const inner = /^([A-Za-z_]\w*)(?:(:?[-+?])([^]*))?$/.exec(text.slice(2, end));
  if (end === -1 || !inner) throw new BuilderError('INVALID_SUBSTITUTION', `failed to process ${JSON.stringify(text)}: unsupported modifier or missing brace in substitution`);
  const [, name = '', operator = '', word = ''] = inner;
  const current = lookup(name);
  const isSet = current !== undefined && (current !== '' || !operator.startsWith(':'));
  const alternative = (): string => substitute(word, lookup, escape);
  const length = end + 1;
  if (operator.endsWith('-')) return { value: isSet ? current : alternative(), length };
  if (operator.endsWith('+')) return { value: isSet ? alternative() : '', length };
  if (operator.endsWith('?') && !isSet) throw new BuilderError('INVALID_SUBSTITUTION', `${name}: ${alternative() || 'is not allowed to be empty'}`);
  return { value: current ?? '', length };
}

function closingBrace(text: string): number {
  let depth = 0;
  for (let index = 1; index < text.length; index++) {
    if (text.charAt(index) === '{') depth++;
    if (text.charAt(index) === '}' && --depth === 0) return index;
  }
  return -1;
}

/**
 * Splits text into words at white space outside quotes, and takes quotes and escapes away.
 *
 * @throws BuilderError `DOCKERFILE_SYNTAX` for a quote that is never closed.
 */
export function splitWords(text: string, escape = '\\'): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let index = 0; index < text.length; index++) {
    const character = text.charAt(index);
    if (character === escape && quote !== "'" && index + 1 < text.length) word = (word ?? '') + text.charAt(++index);
    else if (quote !== '' ? character === quote : character === '"' || character === "'") {
      quote = quote === '' ? character : '';
      word ??= '';
    } else if (quote === '' && /\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? '') + character;
  }
  if (quote !== '') throw new BuilderError('DOCKERFILE_SYNTAX', `unexpected end of statement while looking for matching ${quote === '"' ? 'double' : 'single'}-quote`);
  return word === undefined ? words : [...words, word];
}

/**
 * Splits text into words at white space outside quotes and leaves quotes and escapes in them: what `ENV`, `LABEL` and `COPY` take apart before variables are replaced.
 */
export function rawWords(text: string, escape = '\\'): string[] {
  const words: string[] = [];
  let word = '';
  let quote = '';
  for (let index = 0; index < text.length; index++) {
    const character = text.charAt(index);
    if (character === escape && quote !== "'" && index + 1 < text.length) word += character + text.charAt(++index);
    else if (quote === '' && /\s/.test(character)) {
      if (word !== '') words.push(word);
      word = '';
    } else {
      if (quote !== '' ? character === quote : character === '"' || character === "'") quote = quote === '' ? character : '';
      word += character;
    }
  }
  return word === '' ? words : [...words, word];
}

/** How one word is read. */
interface WordReading {
  readonly text: string;
  readonly lookup: (name: string) => string | undefined;
  readonly escape: string;
  /** Where values of variables outside quotes end words. */
  readonly splits: boolean;
}

/**
 * Replaces variables in one word and takes quotes and escapes away. Values of variables are taken as they are.
 *
 * @throws BuilderError `INVALID_SUBSTITUTION`, `DOCKERFILE_SYNTAX` for a quote that is never closed
 */
export function processWord(text: string, lookup: (name: string) => string | undefined, escape = '\\'): string {
  return readWord({ text, lookup, escape, splits: false }).join('');
}

/** As {@link processWord}, but a variable outside quotes may give several words, or none. */
export function processWords(text: string, lookup: (name: string) => string | undefined, escape = '\\'): string[] {
  return readWord({ text, lookup, escape, splits: true });
}

function readWord({ text, lookup, escape, splits }: WordReading): string[] {
  const words: string[] = [];
  let word: string | undefined;
  const add = (piece: string): void => { word = (word ?? '') + piece; };
  const addValue = (value: string): void => {
    if (!splits) return add(value);
    for (const [index, piece] of value.split(/\s+/).entries()) {
      if (index > 0 && word !== undefined) {
        words.push(word);
        word = undefined;
      }
      if (piece !== '') add(piece);
    }
  };
  for (let index = 0; index < text.length;) {
    const character = text.charAt(index);
    if (character === "'" || character === '"') {
      const quoted = readQuoted(text, index, lookup, escape);
      add(quoted.value);
      index = quoted.next;
    } else if (character === '$') {
      const { value, length } = variable(text.slice(index), lookup, escape);
      addValue(value);
      index += length;
    } else if (character === escape) {
      add(text.charAt(index + 1));
      index += 2;
    } else {
      add(character);
      index++;
    }
  }
  return word === undefined ? words : [...words, word];
}

function readQuoted(text: string, start: number, lookup: (name: string) => string | undefined, escape: string): { value: string; next: number } {
  const quote = text.charAt(start);
  let value = '';
  for (let index = start + 1; index < text.length;) {
    const character = text.charAt(index);
    if (character === quote) return { value, next: index + 1 };
    if (quote === '"' && character === '$') {
      const found = variable(text.slice(index), lookup, escape);
      value += found.value;
      index += found.length;
    } else if (quote === '"' && character === escape && index + 1 < text.length) {
      const next = text.charAt(index + 1);
      value += next === '"' || next === '$' || next === escape ? next : character + next;
      index += 2;
    } else {
      value += character;
      index++;
    }
  }
  throw new BuilderError('DOCKERFILE_SYNTAX', `unexpected end of statement while looking for matching ${quote === '"' ? 'double' : 'single'}-quote`);
}
