import { invalid } from './errors.ts';
import type { Filters } from './http/filters.ts';

const UNIT_MS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1, us: 0.001, 'µs': 0.001, ns: 0.000_001 };

/** The moment (ms since 1970) of the `until` filter, or undefined where it is not given. @throws EngineApiError invalid_argument */
export function untilFilter(filters: Filters, now: number = Date.now()): number | undefined {
  const values = filters.get('until');
  if (values.length === 0) return undefined;
  if (values.length > 1) throw invalid('more than one until filter specified', 'INVALID_FILTER');
  return parseMoment(values[0] ?? '', now);
}

/** A unix time (`1700000000.5`), a duration that has passed (`1h30m`), or a date of RFC 3339 with or without its end; in ms since 1970. @throws EngineApiError invalid_argument */
export function parseMoment(text: string, now: number = Date.now()): number {
  if (/^\d+(?:\.\d+)?$/.test(text)) return Number(text) * 1000;
  const duration = parseGoDuration(text);
  if (duration !== undefined) return now - duration;
  const date = Date.parse(/[Zz]|[+-]\d\d:\d\d$/.test(text) || /^\d{4}-\d{2}-\d{2}$/.test(text) ? text : `${text}Z`);
  if (Number.isNaN(date)) throw invalid(`failed to parse value as time or duration: ${JSON.stringify(text)}`, 'INVALID_FILTER');
  return date;
}

/** A duration as Go writes it, in ms; undefined where the text is none. */
export function parseGoDuration(text: string): number | undefined {
  if (!/^[-+]?(?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d*)?)(ns|us|µs|ms|s|m|h)/g)) total += Number(number) * (UNIT_MS[unit ?? ''] ?? 0);
  return text.startsWith('-') ? -total : total;
}
