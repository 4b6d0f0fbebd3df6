import { describe, expect, test } from 'vitest';
import { choosePlatform, formatPlatform, parsePlatform, type Platform } from './platform.ts';

const host: Platform = { os: 'linux', architecture: 'amd64' };
const p = (text: string): Platform => parsePlatform(text, host);

describe('parsePlatform()', () => {
  test.each([
    ['linux/amd64', 'linux/amd64'], ['amd64', 'linux/amd64'], ['linux', 'linux/amd64'], ['x86_64', 'linux/amd64'], ['aarch64', 'linux/arm64'], ['linux/arm64/v8', 'linux/arm64'],
    ['armhf', 'linux/arm/v7'], ['linux/arm', 'linux/arm/v7'], ['linux/arm/6', 'linux/arm/v6'], ['LINUX/AMD64', 'linux/amd64'], ['windows/amd64', 'windows/amd64'],
  ])('reads %s as %s', (text, expected) => {
    expect(formatPlatform(p(text))).toBe(expected);
  });

  test.each(['', 'linux/', 'a/b/c/d', 'linux/amd 64', '/'])('refuses %j', (text) => {
    expect(() => p(text)).toThrow(expect.objectContaining({ code: 'INVALID_PLATFORM' }));
  });
});

describe('choosePlatform()', () => {
  const choose = (candidates: readonly string[], wanted: string): string | undefined => candidates[choosePlatform(candidates.map(p), p(wanted))];

  test('prefers the exact variant, then the next lower one', () => {
    expect(choose(['linux/arm/v5', 'linux/arm/v6', 'linux/arm/v7'], 'linux/arm/v7')).toBe('linux/arm/v7');
    expect(choose(['linux/arm/v5', 'linux/arm/v6'], 'linux/arm/v7')).toBe('linux/arm/v6');
    expect(choose(['linux/arm/v7'], 'linux/arm/v6')).toBeUndefined();
    expect(choose(['linux/amd64', 'linux/amd64/v2', 'linux/amd64/v4'], 'linux/amd64/v3')).toBe('linux/amd64/v2');
    expect(choose(['linux/amd64/v2'], 'linux/amd64')).toBeUndefined();
  });

  test('takes the first of several that match', () => {
    expect(choosePlatform([undefined, p('linux/amd64'), p('linux/amd64')], p('linux/amd64'))).toBe(1);
  });

  test('lets arm64 run arm, but after arm64', () => {
    expect(choose(['linux/arm/v7', 'linux/arm64'], 'linux/arm64')).toBe('linux/arm64');
    expect(choose(['linux/arm/v7'], 'linux/arm64')).toBe('linux/arm/v7');
  });
});
