import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodePlan } from './encode-plan.ts';
import type { InitPlan } from './plan.ts';
import { SyncDecoder } from './sync-messages.ts';
import { describeTrouble, initError } from './failure.ts';

const plan = (more: Partial<InitPlan> = {}): InitPlan => ({ kind: 'exec', process: { args: ['true'], env: [] }, ...more });

describe('encodePlan()', () => {
  test('begins with "DRAY", the version and its own size', () => {
    const bytes = Buffer.from(encodePlan(plan()));
    expect(bytes.toString('latin1', 0, 4)).toBe('DRAY');
    expect(bytes.readUInt32LE(4)).toBe(1);
    expect(bytes.readUInt32LE(8)).toBe(bytes.length);
  });

  test('refuses a string with NUL and a number that does not fit', () => {
    for (const wrong of [plan({ hostname: 'a\0b' }), plan({ oomScoreAdj: 1.5 }), plan({ process: { args: ['x'], env: [], uid: -1 } }), plan({ process: { args: ['x'], env: [], uid: 2 ** 32 } })]) {
      expect(() => encodePlan(wrong)).toThrow(expect.objectContaining({ kind: 'invalid_argument', code: 'PLAN_INVALID' }));
    }
  });

  test('refuses a plan of more than 16 MiB', () => {
    expect(() => encodePlan(plan({ process: { args: ['x'.repeat(17 * 1024 * 1024)], env: [] } }))).toThrow('size is more than');
  });

  test('hands descriptors over in order, and refuses them where nobody takes them', () => {
    const withPidfd = plan({ namespaces: { joinPidfd: { pidfd: 42, types: ['pid'] } } });
    const inherited: number[] = [];
    encodePlan(withPidfd, { inherit: (fd) => inherited.push(fd), preserveFds: 0 });
    expect(inherited).toEqual([42]);
    expect(() => encodePlan(withPidfd)).toThrow('descriptor 42');
  });

  test.each([['net.ipv4.ip_forward', 'net/ipv4/ip_forward'], ['net/ipv4/conf/eth0.1/forwarding', 'net/ipv4/conf/eth0.1/forwarding'], ['net.ipv4.conf.eth0/1.forwarding', 'net/ipv4/conf/eth0.1/forwarding']])(
    'sysctl %s is the file %s', (name, file) => {
      expect(Buffer.from(encodePlan(plan({ sysctls: { [name]: '1' } }))).toString('latin1')).toContain(`${file}\0`);
    });
});

/** As native/init/report.c writes them. */
function message(type: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(5);
  header.writeUInt32LE(1 + payload.length, 0);
  header.writeUInt8(type, 4);
  return Buffer.concat([header, payload]);
}

const number = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};

describe('SyncDecoder', () => {
  const stream = Buffer.concat([message(1, number(77)), message(2), message(4, Buffer.concat([number(1), number(4), Buffer.from('stepdetail')])), message(6, number(9)), message(3)]);

  test('gives the same messages however the bytes are cut', () => {
    fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: stream.length }), { maxLength: 8 }), (cuts) => {
      const decoder = new SyncDecoder();
      const edges = [0, ...cuts.sort((a, b) => a - b), stream.length];
      const messages = edges.slice(1).flatMap((end, index) => decoder.push(stream.subarray(edges[index], end)));
      expect(messages).toEqual([
        { type: 'pid', pid: 77 }, { type: 'hooks' }, { type: 'warning', trouble: { errno: 1, step: 'step', detail: 'detail' } }, { type: 'seccomp', listenerFd: 9 }, { type: 'ready' },
      ]);
    }));
  });

  test('answers any other bytes with messages or with SYNC_PROTOCOL', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      try {
        new SyncDecoder().push(bytes);
      } catch (error) {
        expect(error).toMatchObject({ name: 'LibcontainerError', code: 'SYNC_PROTOCOL' });
      }
    }));
    expect(() => new SyncDecoder().push(number(1 << 20))).toThrow('message of 1048576 bytes');
  });
});

describe('initError()', () => {
  test.each([
    [{ step: 'lookup-path', errno: 2, detail: 'foo' }, 'exec: "foo": executable file not found in $PATH', 'EXEC_NOT_FOUND'],
    [{ step: 'lookup-stat', errno: 2, detail: '/x' }, 'exec: "/x": stat /x: no such file or directory', 'EXEC_NOT_FOUND'],
    [{ step: 'lookup', errno: 13, detail: '/x' }, 'exec: "/x": permission denied', 'EXEC_NOT_EXECUTABLE'],
    [{ step: 'exec', errno: 8, detail: '/x' }, 'exec /x: exec format error', 'EXEC_NOT_EXECUTABLE'],
    [{ step: 'cwd-outside', errno: 1, detail: '/x' }, 'current working directory is outside of container mount namespace root -- possible container breakout detected', 'CWD_OUTSIDE'],
    [{ step: 'mount', errno: 1, detail: 'proc\n/proc' }, 'error mounting "proc" to rootfs at "/proc": operation not permitted', 'EPERM'],
    [{ step: 'setns', errno: 22, detail: 'x' }, 'setns x: invalid argument', 'EINVAL'],
  ])('%j reads %s', (trouble, message, code) => {
    expect(describeTrouble(trouble)).toBe(message);
    expect(initError(trouble)).toMatchObject({ message, code, errno: trouble.errno, step: trouble.step });
  });
});
