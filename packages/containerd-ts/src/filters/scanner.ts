/** Unquotes the text after an opening quote. Returns the value and the position behind the closing quote, or what is wrong. */
export type QuotedResult = { readonly value: string; readonly end: number } | { readonly error: string };

const SIMPLE_ESCAPES: Readonly<Record<string, string>> = { a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v', '\\': '\\' };
const HEX_DIGITS: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };
const CODE_POINT_MAX = 0x10ffff;

/** Reads a quoted literal with Go's escapes. `start` points behind the opening quote. */
export function scanQuoted(text: string, start: number, quote: string): QuotedResult {
  let value = '';
  let at = start;
  while (at < text.length) {
    const char = text.charAt(at);
    if (char === quote) return { value, end: at + 1 };
    if (char === '\n') break;
    if (char !== '\\') {
      value += char;
      at += 1;
      continue;
    }
    const escape = scanEscape(text, at + 1, quote);
    if ('error' in escape) return escape;
    value += escape.value;
    at = escape.end;
  }
  return { error: 'quoted literal not terminated' };
}

/** Reads what follows a backslash. */
function scanEscape(text: string, start: number, quote: string): QuotedResult {
  const char = text.charAt(start);
  if (char === '') return { error: 'quoted literal not terminated' };
  if (char === quote) return { value: quote, end: start + 1 };
  const simple = SIMPLE_ESCAPES[char];
  if (simple !== undefined) return { value: simple, end: start + 1 };
  const hexDigits = HEX_DIGITS[char];
  if (hexDigits !== undefined) return scanNumeric(text, start + 1, hexDigits, 16);
  if (char >= '0' && char <= '7') return scanNumeric(text, start, 3, 8);
  // A regular expression in slashes keeps its own backslashes.
  if (quote !== '"') return { value: `\\${char}`, end: start + 1 };
  return { error: 'illegal escape sequence' };
}

function scanNumeric(text: string, start: number, digits: number, base: 8 | 16): QuotedResult {
  const slice = text.slice(start, start + digits);
  const valid = base === 16 ? /^[0-9a-fA-F]+$/ : /^[0-7]+$/;
  if (slice.length !== digits || !valid.test(slice)) return { error: 'illegal numeric escape sequence' };
  const codePoint = Number.parseInt(slice, base);
  if (codePoint > CODE_POINT_MAX) return { error: 'illegal numeric escape sequence' };
  return { value: String.fromCodePoint(codePoint), end: start + digits };
}
