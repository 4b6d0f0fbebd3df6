/** Instants with nanoseconds, in RFC 3339 as Go prints them. */

const NANOS_PER_SECOND = 1_000_000_000n;

/** RFC 3339 with up to nine digits of fraction, trailing zeros dropped. */
export function formatNanos(nanos: bigint): string {
  const seconds = nanos / NANOS_PER_SECOND;
  const fraction = (nanos % NANOS_PER_SECOND).toString().padStart(9, '0').replace(/0+$/, '');
  const base = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  return fraction === '' ? `${base}Z` : `${base}.${fraction}Z`;
}

/** Nanoseconds since 1970 of an RFC 3339 instant; `undefined` when it is none. */
export function parseInstant(value: string): bigint | undefined {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(value);
  if (!match) return undefined;
  const ms = Date.parse(`${match[1] ?? ''}${match[3] ?? ''}`);
  if (Number.isNaN(ms)) return undefined;
  return BigInt(ms) * 1_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'));
}

/** Nanoseconds of the API's `since` and `until`: unix seconds with an optional fraction, or RFC 3339. `undefined` when malformed. */
export function parseApiTime(value: string): bigint | undefined {
  const match = /^(-?\d{1,12})(?:\.(\d{1,9}))?$/.exec(value);
  if (!match) return parseInstant(value);
  return BigInt(match[1] ?? 0) * NANOS_PER_SECOND + BigInt((match[2] ?? '').padEnd(9, '0'));
}

/** Nanoseconds of a protobuf timestamp. */
export function nanosOf(seconds: bigint | number, nanos: number): bigint {
  return BigInt(seconds) * NANOS_PER_SECOND + BigInt(nanos);
}
