import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatTimestamp,
  isZeroTimestamp,
  parseTimestamp,
  timestampFromDate,
  timestampFromNanos,
  timestampNow,
  timestampToDate,
  timestampToNanos,
  zeroTimestamp,
} from './timestamp.ts';

/** Nanoseconds from the year 1 to the year 9999, which RFC 3339 and protobuf allow. */
const nanos = fc.bigInt({ min: -62_135_596_800_000_000_000n, max: 253_402_300_799_999_999_999n });

describe('timestamps', () => {
  it('keep every nanosecond, before 1970 too', () => {
    fc.assert(
      fc.property(nanos, (value) => {
        const timestamp = timestampFromNanos(value);
        expect(timestamp.nanos).toBeGreaterThanOrEqual(0);
        expect(timestamp.nanos).toBeLessThan(1e9);
        expect(timestampToNanos(timestamp)).toBe(value);
        expect(timestampToNanos(parseTimestamp(formatTimestamp(timestamp)))).toBe(value);
      }),
    );
  });

  it('keep the milliseconds of a Date', () => {
    fc.assert(
      fc.property(fc.date({ min: new Date('0001-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true }), (date) => {
        expect(timestampToDate(timestampFromDate(date))).toEqual(date);
      }),
    );
  });

  it('know Go\'s zero time', () => {
    expect(formatTimestamp(zeroTimestamp())).toBe('0001-01-01T00:00:00Z');
    expect(isZeroTimestamp(undefined)).toBe(true);
    expect(isZeroTimestamp(parseTimestamp('0001-01-01T00:00:00Z'))).toBe(true);
    expect(isZeroTimestamp({ seconds: 0n, nanos: 0 })).toBe(false);
  });

  it('do not go backwards from now to now', () => {
    expect(timestampToNanos(timestampNow())).toBeLessThanOrEqual(timestampToNanos(timestampNow()));
  });
});

describe('parseTimestamp()', () => {
  it('understands offsets and short or long fractions', () => {
    expect(formatTimestamp(parseTimestamp('2026-01-02T03:04:05.6+02:00'))).toBe('2026-01-02T01:04:05.6Z');
    expect(formatTimestamp(parseTimestamp('2026-01-02t03:04:05.1234567891z'))).toBe('2026-01-02T03:04:05.123456789Z');
  });

  it.each(['', 'now', '2026-13-01T00:00:00Z', '2026-01-02', '2026-01-02T03:04:05', '2026-01-02T03:04:05.Z'])('refuses %j', (text) => {
    expect(() => parseTimestamp(text)).toThrow(`cannot parse the time "${text}"`);
  });

  it('gives a time or an error for any text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          expect(typeof parseTimestamp(text).seconds).toBe('bigint');
        } catch (error) {
          expect(error).toMatchObject({ code: 'MALFORMED' });
        }
      }),
    );
  });
});
