import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DetachScanner, parseDetachKeys } from './detach-keys.ts';
import { loggerArguments, loggerUri } from './logger-uri.ts';

describe('parseDetachKeys()', () => {
  it.each([['ctrl-p,ctrl-q', [16, 17]], ['ctrl-a,d', [1, 100]], ['a', [97]], ['ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_', [0, 27, 28, 29, 30, 31]], ['ctrl-Z', [26]]])('%s', (keys, bytes) => {
    expect([...parseDetachKeys(keys)]).toEqual(bytes);
  });
  it.each(['', 'ctrl-', 'ctrl-1', 'ctrl-p,', 'abc', 'ctrl-pp'])('refuses %j', (keys) => expect(() => parseDetachKeys(keys)).toThrow(/Invalid detach keys \(.*\) provided/));
});

describe('DetachScanner', () => {
  const scan = (keys: string, ...pieces: string[]): { text: string; isDetached: boolean } => {
    const scanner = new DetachScanner(parseDetachKeys(keys));
    let text = '';
    for (const piece of pieces) {
      const { forward, isDetached } = scanner.scan(Buffer.from(piece, 'latin1'));
      text += forward.toString('latin1');
      if (isDetached) return { text, isDetached };
    }
    return { text, isDetached: false };
  };

  it('finds the sequence in one piece and over several, and drops what follows', () => {
    expect(scan('ctrl-p,ctrl-q', 'ab\x10\x11cd')).toEqual({ text: 'ab', isDetached: true });
    expect(scan('ctrl-p,ctrl-q', 'ab\x10', '\x11cd')).toEqual({ text: 'ab', isDetached: true });
    expect(scan('a', 'xay')).toEqual({ text: 'x', isDetached: true });
  });

  it('hands keys on that did not complete the sequence', () => {
    expect(scan('ctrl-p,ctrl-q', '\x10', 'x')).toEqual({ text: '\x10x', isDetached: false });
    expect(scan('ctrl-p,ctrl-q', '\x10\x10\x11')).toEqual({ text: '\x10', isDetached: true });
  });

  it('loses no byte of input that does not hold the sequence', () => {
    fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 20 })), (pieces) => {
      const all = Buffer.concat(pieces);
      fc.pre(!all.includes(Buffer.of(16, 17)) && all.at(-1) !== 16);
      const scanner = new DetachScanner(Buffer.of(16, 17));
      const out = Buffer.concat(pieces.map((piece) => scanner.scan(Buffer.from(piece)).forward));
      expect(out.equals(all)).toBe(true);
    }));
  });
});

describe('loggerUri()', () => {
  const options = { loggerPath: '/usr/lib/dray-logger', driver: 'json-file', path: '/var/a b/x&y.log', maxSizeBytes: 10, maxFiles: 3, attachSocket: '/run/a.sock', isTty: true } as const;

  it('carries every option through a URL parser', () => {
    const url = new URL(loggerUri(options));
    expect(url.protocol).toBe('binary:');
    expect(url.pathname).toBe('/usr/lib/dray-logger');
    expect([...url.searchParams].flat()).toEqual(loggerArguments(options));
    expect(loggerArguments(options)).toEqual(['driver', 'json-file', 'path', '/var/a b/x&y.log', 'max-size', '10', 'max-file', '3', 'attach', '/run/a.sock', 'tty', '1']);
  });

  it('has no plus signs, which not every reader takes for blanks', () => expect(loggerUri(options)).not.toContain('+'));
});
