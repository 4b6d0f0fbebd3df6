/** One line of a `json-file` log: `{"log":"…\n","stream":"stdout","time":"…"}`. */

/** A line's parts, as far as they are needed; text stays bytes. */
export interface LogEntry {
  readonly payload: Buffer;
  readonly isStderr: boolean;
  /** RFC 3339 as written, fraction of any length. */
  readonly time: string;
  readonly attributes: Readonly<Record<string, string>> | undefined;
}

const HEAD = Buffer.from('{"log":"');
const MIDDLE_OUT = Buffer.from('","stream":"stdout","time":"');
const MIDDLE_ERR = Buffer.from('","stream":"stderr","time":"');
const TAIL = Buffer.from('"}');
/** From the end of the text to the end of the line: both middles are 28 bytes, a time at most 35. */
const TRAILER_BYTES_MAX = 28 + 35 + 2;
const BACKSLASH = 0x5c;

/**
 * Reads one line without its line end. Lines in the exact form loggers write are sliced; any other JSON is parsed; anything else is `undefined`, as dockerd
 * skips what it cannot read.
 */
export function parseLogLine(line: Buffer): LogEntry | undefined {
  return parseCanonical(line) ?? parseJsonLine(line);
}

function parseCanonical(line: Buffer): LogEntry | undefined {
  if (line.length < HEAD.length + MIDDLE_OUT.length + TAIL.length || !startsWith(line, HEAD)) return undefined;
  if (line[line.length - 1] !== TAIL[1] || line[line.length - 2] !== TAIL[0]) return undefined;
  const from = Math.max(HEAD.length, line.length - TRAILER_BYTES_MAX);
  let at = line.indexOf(MIDDLE_OUT, from);
  const isStderr = at === -1;
  if (isStderr) at = line.indexOf(MIDDLE_ERR, from);
  if (at === -1) return undefined;
  const payload = unescapeJson(line, HEAD.length, at);
  const time = line.toString('latin1', at + MIDDLE_OUT.length, line.length - TAIL.length);
  return payload === undefined ? undefined : { payload, isStderr, time, attributes: undefined };
}

function startsWith(line: Buffer, head: Buffer): boolean {
  for (let index = 0; index < head.length; index++) if (line[index] !== head[index]) return false;
  return true;
}

const SIMPLE_ESCAPES: Readonly<Record<number, number>> = { 0x6e: 0x0a, 0x72: 0x0d, 0x74: 0x09, 0x22: 0x22, 0x5c: 0x5c, 0x2f: 0x2f, 0x62: 0x08, 0x66: 0x0c };

/** The bytes of the JSON string between two offsets; `undefined` when it ends inside an escape or holds a bare quote. */
function unescapeJson(line: Buffer, start: number, end: number): Buffer | undefined {
  let slash = line.indexOf(BACKSLASH, start);
  if (slash === -1 || slash >= end) return line.includes('"', start) && line.indexOf('"', start) < end ? undefined : line.subarray(start, end);
  const out = Buffer.allocUnsafe(end - start);
  let length = 0;
  let from = start;
  while (slash !== -1 && slash < end) {
    length += line.copy(out, length, from, slash);
    const simple = SIMPLE_ESCAPES[line[slash + 1] ?? 0];
    if (simple !== undefined) {
      out[length++] = simple;
      from = slash + 2;
    } else {
      const unit = parseUnit(line, slash, end);
      if (unit === undefined || (unit >= 0xd800 && unit <= 0xdfff)) return undefined; // surrogates: the general parser knows them
      length += out.write(String.fromCharCode(unit), length, 'utf8');
      from = slash + 6;
    }
    if (from > end) return undefined;
    slash = line.indexOf(BACKSLASH, from);
  }
  length += line.copy(out, length, from, end);
  return out.subarray(0, length);
}

function parseUnit(line: Buffer, slash: number, end: number): number | undefined {
  if (line[slash + 1] !== 0x75 || slash + 6 > end) return undefined;
  const hex = line.toString('latin1', slash + 2, slash + 6);
  return /^[0-9a-fA-F]{4}$/.test(hex) ? Number.parseInt(hex, 16) : undefined;
}

function parseJsonLine(line: Buffer): LogEntry | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line.toString('utf8'));
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { log, stream, time, attrs } = value as Record<string, unknown>;
  if (typeof log !== 'string' || typeof time !== 'string') return undefined;
  return { payload: Buffer.from(log), isStderr: stream === 'stderr', time, attributes: parseAttributes(attrs) };
}

function parseAttributes(value: unknown): Record<string, string> | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}

/** A time with exactly nine digits of fraction, so that such times sort as text. Anything unexpected is returned unchanged. */
export function fixedTime(time: string): string {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$/.exec(time);
  return match ? `${match[1] ?? ''}.${(match[2] ?? '').padEnd(9, '0')}Z` : time;
}
