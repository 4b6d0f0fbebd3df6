/** Points in time. Exit times matter to the nanosecond, and containerd sends Go's zero time, the year 1, for "not yet". */
import type { Timestamp } from './gen/google/protobuf/timestamp.ts';
import { ContainerdApiError } from './errors.ts';

const NANOS_PER_SECOND = 1_000_000_000n;
const NANOS_PER_MILLISECOND = 1_000_000;
const ZERO_SECONDS = -62_135_596_800n;
const RFC3339 = /^(\d{4}-\d{2}-\d{2})[Tt](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d{2}:\d{2})$/;

/** Go's zero time, 0001-01-01T00:00:00Z. A new object each time. */
export function zeroTimestamp(): Timestamp {
  return { seconds: ZERO_SECONDS, nanos: 0 };
}

/** Whether no time is meant: absent, or Go's zero time. */
export function isZeroTimestamp(timestamp: Timestamp | undefined): boolean {
  return timestamp === undefined || (timestamp.seconds === ZERO_SECONDS && timestamp.nanos === 0);
}

/** The present, as precise as the system's clocks let Node see: about a microsecond. */
export function timestampNow(): Timestamp {
  const milliseconds = performance.timeOrigin + performance.now();
  const whole = Math.floor(milliseconds);
  return timestampFromNanos(BigInt(whole) * BigInt(NANOS_PER_MILLISECOND) + BigInt(Math.floor((milliseconds - whole) * 1e6)));
}

/** From nanoseconds since 1970. */
export function timestampFromNanos(nanos: bigint): Timestamp {
  const rest = ((nanos % NANOS_PER_SECOND) + NANOS_PER_SECOND) % NANOS_PER_SECOND;
  return { seconds: (nanos - rest) / NANOS_PER_SECOND, nanos: Number(rest) };
}

/** Nanoseconds since 1970; before that, negative. */
export function timestampToNanos(timestamp: Timestamp): bigint {
  return timestamp.seconds * NANOS_PER_SECOND + BigInt(timestamp.nanos);
}

/** From a Date. */
export function timestampFromDate(date: Date): Timestamp {
  return timestampFromNanos(BigInt(date.getTime()) * BigInt(NANOS_PER_MILLISECOND));
}

/** To a Date, cut to whole milliseconds. */
export function timestampToDate(timestamp: Timestamp): Date {
  return new Date(Number(timestamp.seconds) * 1000 + Math.floor(timestamp.nanos / NANOS_PER_MILLISECOND));
}

/** As Go prints it (RFC 3339, UTC, fraction without trailing zeros): `2026-01-02T03:04:05.6Z`. */
export function formatTimestamp(timestamp: Timestamp): string {
  const whole = new Date(Number(timestamp.seconds) * 1000).toISOString().slice(0, -'.000Z'.length);
  const fraction = String(timestamp.nanos).padStart(9, '0').replace(/0+$/, '');
  return fraction === '' ? `${whole}Z` : `${whole}.${fraction}Z`;
}

/**
 * Reads RFC 3339 with any offset; digits after the ninth of the fraction are dropped.
 * @throws ContainerdApiError invalid_argument MALFORMED
 */
export function parseTimestamp(text: string): Timestamp {
  const [, day, time, fraction = '', offset] = RFC3339.exec(text) ?? [];
  const milliseconds = day === undefined ? Number.NaN : Date.parse(`${day}T${time ?? ''}${offset?.toUpperCase() ?? ''}`);
  if (Number.isNaN(milliseconds)) throw new ContainerdApiError('invalid_argument', 'MALFORMED', `cannot parse the time "${text}"`);
  return { seconds: BigInt(milliseconds / 1000), nanos: Number(fraction.padEnd(9, '0')) };
}
