/** One authentication challenge of a WWW-Authenticate header. */
export interface Challenge {
  /** Lower case: `bearer`, `basic`. */
  readonly scheme: string;
  /** Parameters, their names in lower case. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** Longest header that is looked at. */
const HEADER_LENGTH_MAX = 16 * 1024;

const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/y;
const SPACE = /[ \t]*/y;
const SEPARATOR = /[ \t,]*/y;

/**
 * Parses WWW-Authenticate: several challenges in one header and several headers, quoted strings with commas. What cannot be parsed ends the parsing; challenges
 * before it count.
 * @see RFC 9110, section 11.6.1
 */
export function parseChallenges(header: string | readonly string[] | undefined): Challenge[] {
  const headers = header === undefined ? [] : typeof header === 'string' ? [header] : header;
  return headers.flatMap((text) => parseHeader(text.slice(0, HEADER_LENGTH_MAX)));
}

function parseHeader(text: string): Challenge[] {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = [];
  let position = 0;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = position;
    const match = pattern.exec(text);
    if (match === null) return undefined;
    position = pattern.lastIndex;
    return match[1] ?? match[0];
  };
  while (position < text.length) {
    take(SEPARATOR);
    const word = take(TOKEN);
    if (word === undefined) break;
    const afterWord = position;
    take(SPACE);
    if (text[position] === '=' && challenges.length > 0) {
      position += 1;
      take(SPACE);
      const value = text[position] === '"' ? take(QUOTED)?.replaceAll(/\\(.)/gs, '$1') : take(TOKEN);
      if (value === undefined) break;
      setParameter(challenges.at(-1)?.parameters, word.toLowerCase(), value);
    } else {
      position = afterWord;
      challenges.push({ scheme: word.toLowerCase(), parameters: {} });
    }
  }
  return challenges;
}

function setParameter(parameters: Record<string, string> | undefined, name: string, value: string): void {
  if (parameters === undefined || Object.hasOwn(parameters, name)) return;
  Object.defineProperty(parameters, name, { value, enumerable: true, configurable: true, writable: true });
}
