let last = 0n;

/** Nanoseconds since 1970, never twice the same within this process and never backwards while the system's clock goes forwards. */
export function nowNanos(): bigint {
  const now = BigInt(Date.now()) * 1_000_000n;
  last = now > last || last - now > BACKWARD_STEP_NANOS ? now : last + 1n;
  return last;
}

/** A step of the system's clock back by more than this is believed. */
const BACKWARD_STEP_NANOS = 1_000_000_000n;

/** Nanoseconds of a `Date`. */
export function dateToNanos(date: Date): bigint {
  return BigInt(date.getTime()) * 1_000_000n;
}

/** Parses RFC 3339 text to nanoseconds; undefined when it is none. */
export function parseRfc3339(text: string): bigint | undefined {
  const match = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$/.exec(text);
  if (match === null) return undefined;
  const fraction = match[1] ?? '';
  const millis = Date.parse(text.replace(fraction, ''));
  if (Number.isNaN(millis)) return undefined;
  return BigInt(millis) * 1_000_000n + BigInt(fraction.slice(1).padEnd(9, '0'));
}
