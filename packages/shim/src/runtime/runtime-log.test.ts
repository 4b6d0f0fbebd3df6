import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { lastRuntimeError } from './runtime-log.ts';

describe('lastRuntimeError()', () => {
  test('is the last message of level error', () => {
    const log = ['{"level":"error","msg":"first","time":"x"}', '{"level":"warning","msg":"careful"}', '{"level":"error","msg":"runc create failed: the reason\\n"}', '{"level":"info","msg":"bye"}'].join('\n');
    expect(lastRuntimeError(log)).toBe('runc create failed: the reason');
  });

  test('says nothing where there is no error, and passes over what is no JSON', () => {
    expect(lastRuntimeError('')).toBe('');
    expect(lastRuntimeError('{"level":"error"}\nnull\n[1]\n{"level":"error","msg":7}\nplain text')).toBe('');
    fc.assert(fc.property(fc.string(), (text) => {
      expect(typeof lastRuntimeError(text)).toBe('string');
    }));
  });
});
