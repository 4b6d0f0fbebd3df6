import type { HealthConfig } from '@dray/oci-image';
import { parseExecForm, type Instruction } from '../dockerfile.ts';
import { BuilderError } from '../errors.ts';

const NANOS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, 'µs': 1e3, 'μs': 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };
/** Shorter times are refused. */
const DURATION_NANOS_MIN = 1e6;

/**
 * Reads a `HEALTHCHECK`.
 *
 * @throws BuilderError `DOCKERFILE_SYNTAX`
 */
export function parseHealthcheck(instruction: Instruction): HealthConfig {
  const fail = (why: string): BuilderError => new BuilderError('DOCKERFILE_SYNTAX', `dockerfile parse error on line ${instruction.line}: ${why}`, instruction.line);
  const [, kind = '', rest = ''] = /^(\S+)\s*([^]*)$/.exec(instruction.text) ?? [];
  if (kind.toUpperCase() === 'NONE') {
    if (rest !== '') throw fail('HEALTHCHECK NONE takes no arguments');
    return { Test: ['NONE'] };
  }
  if (kind.toUpperCase() !== 'CMD') throw fail(`Unknown type ${JSON.stringify(kind.toUpperCase())} in HEALTHCHECK (try CMD)`);
  const exec = parseExecForm(rest);
  if (exec === undefined ? rest === '' : exec.length === 0) throw fail('Missing command after HEALTHCHECK CMD');
  const flag = (name: string): string | undefined => instruction.flags.find((candidate) => candidate.name === name)?.value;
  const duration = (name: string): number => {
    const text = flag(name);
    if (text === undefined || text === '') return 0;
    const nanos = parseDuration(text);
    if (nanos === undefined) throw fail(`time: invalid duration ${JSON.stringify(text)}`);
    if (nanos < 0) throw fail(`Interval ${JSON.stringify(name)} cannot be negative`);
    if (nanos !== 0 && nanos < DURATION_NANOS_MIN) throw fail(`Interval ${JSON.stringify(name)} cannot be less than 1ms`);
    return nanos;
  };
  const times = { Interval: duration('interval'), Timeout: duration('timeout'), StartPeriod: duration('start-period'), StartInterval: duration('start-interval') };
  const text = flag('retries') ?? '0';
  if (!/^[+-]?\d{1,9}$/.test(text)) throw fail(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  if (Number(text) < 0) throw fail(`--retries cannot be negative (${Number(text)})`);
  return {
    Test: exec === undefined ? ['CMD-SHELL', rest] : ['CMD', ...exec],
    ...Object.fromEntries(Object.entries({ ...times, Retries: Number(text) }).filter(([, value]) => value !== 0)),
  };
}

/** Nanoseconds of a duration as Go writes it (`1h2m3.5s`), or undefined. */
export function parseDuration(text: string): number | undefined {
  const [, sign = '', body = ''] = /^([-+]?)(.*)$/s.exec(text) ?? [];
  if (body === '0') return 0;
  if (!/^(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(body)) return undefined;
  const nanos = [...body.matchAll(/([\d.]+)([a-zµμ]+)/g)].reduce((sum, [, count = '0', unit = 'ns']) => sum + Number(count) * (NANOS[unit] ?? 0), 0);
  return sign === '-' ? -nanos : Math.trunc(nanos);
}

/** A duration as Go prints it: `1m30s`, `1.5s`, `0s`. */
export function formatDuration(nanos: number): string {
  if (nanos === 0) return '0s';
  for (const [unit, size] of [['ns', 1], ['µs', 1e3], ['ms', 1e6]] as const) if (nanos < size * 1e3) return `${nanos / size}${unit}`;
  const seconds = nanos / 1e9;
  const [hours, minutes] = [Math.trunc(seconds / 3600), Math.trunc(seconds / 60) % 60];
  const rest = `${Number((seconds % 60).toFixed(9))}s`;
  return hours > 0 ? `${hours}h${minutes}m${rest}` : minutes > 0 ? `${minutes}m${rest}` : rest;
}

/** A `HEALTHCHECK` as the history tells it: Go's `%q` of the structure. A start interval is told only where there is one, as before there were any. */
export function describeHealthcheck(health: HealthConfig): string {
  const times = [health.Interval, health.Timeout, health.StartPeriod, ...health.StartInterval === undefined ? [] : [health.StartInterval]];
  return `&{${goQuotedList(health.Test ?? [])} ${times.map((nanos) => goQuote(formatDuration(nanos ?? 0))).join(' ')} ${goRune(health.Retries ?? 0)}}`;
}

/** Go's `%q` of a list of strings. */
export function goQuotedList(words: readonly string[]): string {
  return `[${words.map(goQuote).join(' ')}]`;
}

const ESCAPES: Readonly<Record<string, string>> = { '\x07': '\\a', '\b': '\\b', '\f': '\\f', '\n': '\\n', '\r': '\\r', '\t': '\\t', '\v': '\\v', '\\': '\\\\' };

/** Go's `%q` of a string. */
export function goQuote(text: string): string {
  return `"${[...text].map((character) => character === '"' ? '\\"' : escapeRune(character)).join('')}"`;
}

function goRune(code: number): string {
  const character = code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? '\ufffd' : String.fromCodePoint(code);
  return character === "'" ? "'\\''" : `'${escapeRune(character)}'`;
}

function escapeRune(character: string): string {
  const known = ESCAPES[character];
  if (known !== undefined) return known;
  if (/[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.test(character)) return character;
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x80) return `\\x${code.toString(16).padStart(2, '0')}`;
  return code < 0x10000 ? `\\u${code.toString(16).padStart(4, '0')}` : `\\U${code.toString(16).padStart(8, '0')}`;
}
