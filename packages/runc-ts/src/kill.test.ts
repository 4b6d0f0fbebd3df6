import { describe, expect, it } from 'vitest';
import { parseSignal } from './kill.ts';

describe('parseSignal()', () => {
  it('takes numbers, names and names with SIG, in any case', () => {
    expect(['9', 'KILL', 'SIGKILL', 'sigterm', 'usr1', '0', 'RTMIN', 'RTMIN+3', 'SIGRTMAX-1', 'RTMAX'].map(parseSignal)).toEqual([9, 9, 9, 15, 10, 0, 34, 37, 63, 64]);
  });

  it.each(['', 'NOPE', '65', '-9', '9x', 'RTMIN+31', 'RTMAX+1', '__proto__', 'toString'])('refuses %j', (text) => {
    expect(() => parseSignal(text)).toThrow(expect.objectContaining({ code: 'UNKNOWN_SIGNAL', message: `unknown signal "${text}"` }));
  });
});
