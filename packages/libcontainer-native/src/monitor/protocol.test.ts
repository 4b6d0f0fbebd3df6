import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { monitorArguments, parseMonitorExit } from './command.ts';
import { encodeMonitorRequest, MonitorMessageDecoder, type MonitorMessage } from './protocol.ts';

function frame(type: number, sequence: number, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt32LE(payload.length, 0);
  header.writeUInt8(type, 4);
  header.writeUInt32LE(sequence, 8);
  return Buffer.concat([header, payload]);
}

function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [...places, bytes.length].map((place, index) => bytes.subarray(places[index - 1] ?? 0, place));
}

describe('MonitorMessageDecoder', () => {
  test('reads results in whatever pieces they arrive', () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.nat(), fc.nat(200))), fc.array(fc.nat(1000)), (answers, cuts) => {
      const bytes = Buffer.concat(answers.map(([sequence, errno]) => frame(0x80, sequence, Buffer.from(Uint32Array.of(errno).buffer))));
      const decoder = new MonitorMessageDecoder();
      const messages: MonitorMessage[] = split(bytes, cuts).flatMap((piece) => decoder.push(piece));
      expect(messages).toEqual(answers.map(([sequence, errno]) => ({ type: 'result', sequence, errno })));
    }));
  });

  test('reads a status report field by field', () => {
    const payload = Buffer.alloc(40);
    payload.writeUInt32LE(1 | 2 | 4 | 32, 0);
    payload.writeUInt32LE(77, 4);
    payload.writeUInt32LE(3, 8);
    payload.writeUInt32LE(137, 12);
    payload.writeBigUInt64LE(1_700_000_000_123_456_789n, 16);
    payload.writeBigUInt64LE(5n, 24);
    payload.writeUInt32LE(2, 32);
    payload.writeUInt32LE(76, 36);
    expect(new MonitorMessageDecoder().push(frame(0x82, 0, payload))).toEqual([{
      type: 'status', sequence: 0,
      status: { pid: 77, commandStatus: 3, exit: { status: 137, atNanos: 1_700_000_000_123_456_789n }, isIoDone: false, hasConsole: false, isStdinOpen: true, lostBytes: 5n, oomKills: 2, monitorPid: 76 },
    }]);
  });

  test('gives messages or a MONITOR_PROTOCOL error for any bytes, and nothing else', () => {
    fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 60 })), (pieces) => {
      const decoder = new MonitorMessageDecoder();
      try {
        for (const piece of pieces) decoder.push(piece);
      } catch (error) {
        expect(error).toMatchObject({ name: 'LibcontainerError', code: 'MONITOR_PROTOCOL' });
      }
    }));
  });

  test('refuses a payload larger than the protocol allows before it has arrived', () => {
    expect(() => new MonitorMessageDecoder().push(frame(0x80, 1, Buffer.alloc(4097)).subarray(0, 12))).toThrow('a payload of 4097 bytes, want at most 4096');
  });
});

test('encodeMonitorRequest() writes the documented bytes', () => {
  expect(encodeMonitorRequest({ type: 'hello' }, 1).toString('hex')).toBe(`0c0000000100000001000000${Buffer.from('DRAYMON1').toString('hex')}01000000`);
  expect(encodeMonitorRequest({ type: 'resize', width: 80, height: 24 }, 258).toString('hex')).toBe('04000000030000000201000050001800');
  expect(encodeMonitorRequest({ type: 'watchOom', version: 2, folder: '/x' }, 3).toString('hex')).toBe('06000000090000000300000002000000' + '2f78');
});

test('monitorArguments() leaves out what is not given and ends with the separator', () => {
  expect(monitorArguments({ control: '/c', stdin: '', ioUid: 0 })).toEqual(['--control', '/c', '--io-uid', '0', '--']);
});

describe('parseMonitorExit()', () => {
  test('reads what a monitor writes', () => {
    expect(parseMonitorExit('{"version":1,"pid":5,"exitStatus":137,"exitedAt":"1795478879835383363","oomKills":1}\n')).toEqual({ pid: 5, exitStatus: 137, exitedAtNanos: 1795478879835383363n, oomKills: 1 });
  });

  test('refuses anything else with MONITOR_EXIT_FILE', () => {
    for (const text of ['', '{', 'null', '[]', '{"version":2,"pid":5,"exitStatus":0,"exitedAt":"1","oomKills":0}', '{"version":1,"pid":-5,"exitStatus":0,"exitedAt":"1","oomKills":0}', '{"version":1,"pid":5,"exitStatus":0,"exitedAt":"x","oomKills":0}']) {
      expect(() => parseMonitorExit(text)).toThrow(expect.objectContaining({ code: 'MONITOR_EXIT_FILE' }));
    }
    fc.assert(fc.property(fc.json(), (text) => {
      expect(() => parseMonitorExit(text)).toThrow(expect.objectContaining({ code: 'MONITOR_EXIT_FILE' }));
    }));
  });
});
