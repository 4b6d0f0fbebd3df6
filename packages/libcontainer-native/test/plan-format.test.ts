import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodePlan, initPath, type InitPlan } from '../src/index.ts';
import { RICH_PLAN } from './support/rich-plan.ts';

const SMALL_PLAN: InitPlan = { kind: 'exec', process: { args: ['true'], env: [] } };
const packageRoot = path.dirname(import.meta.dirname);

/** What `dray-init --check` says of plans: one character each, '0' accepted, '1' refused. Death by a signal is a crash. */
function check(plans: readonly Uint8Array[], binary = initPath()): string {
  const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'dray-plans-')), 'plans');
  const records = plans.flatMap((plan) => {
    const size = Buffer.alloc(4);
    size.writeUInt32LE(plan.length);
    return [size, plan];
  });
  fs.writeFileSync(file, Buffer.concat(records));
  const input = fs.openSync(file, 'r');
  const { status, signal, stdout, stderr } = spawnSync(binary, ['--check'], { argv0: 'dray-init', stdio: [input, 'pipe', 'pipe'], encoding: 'utf8', env: { ASAN_OPTIONS: 'detect_leaks=0' } });
  fs.closeSync(input);
  fs.rmSync(path.dirname(file), { recursive: true });
  expect({ signal, status, stderr }).toEqual({ signal: null, status: 0, stderr: '' });
  return stdout;
}

/** Plans with bytes changed, cut off, put in or repeated; the size in the header is made right again for half of them. */
function mutations(count: number, seed: number): Uint8Array[] {
  const rich = Buffer.from(encodePlan(RICH_PLAN));
  const position = fc.nat(rich.length - 1);
  const interesting = fc.constantFrom(0, 1, 2, 0x7f, 0x80, 0xff);
  const mutation = fc.oneof(
    fc.tuple(position, interesting).map(([at, value]) => (plan: Buffer) => { plan[at % plan.length] = value; return plan; }),
    fc.tuple(position, fc.constantFrom(0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffff0, 0x10000)).map(([at, value]) => (plan: Buffer) => {
      if (plan.length >= 4) plan.writeUInt32LE(value, at % (plan.length - 3));
      return plan;
    }),
    position.map((at) => (plan: Buffer) => plan.subarray(0, Math.max(1, at % plan.length))),
    fc.tuple(position, fc.uint8Array({ maxLength: 16 })).map(([at, bytes]) => (plan: Buffer) => Buffer.concat([plan.subarray(0, at % plan.length), bytes, plan.subarray(at % plan.length)])),
  );
  return fc.sample(fc.tuple(fc.array(mutation, { minLength: 1, maxLength: 4 }), fc.boolean()), { numRuns: count, seed }).map(([steps, isSizeRight]) => {
    const plan = steps.reduce<Buffer>((bytes, step) => Buffer.from(step(bytes)), Buffer.from(rich));
    if (isSizeRight && plan.length >= 12) plan.writeUInt32LE(plan.length, 8);
    return plan;
  });
}

describe('the plan format', () => {
  test('the decoder in C takes what the encoder writes, with every field in use and with none', () => {
    expect(check([encodePlan(RICH_PLAN), encodePlan(SMALL_PLAN)])).toBe('00');
  });

  test('a plan of another version, with another size, or with bytes behind its end is refused', () => {
    const change = (offset: number, value: number): Uint8Array => {
      const plan = Buffer.from(encodePlan(SMALL_PLAN));
      plan.writeUInt32LE(value, offset);
      return plan;
    };
    const longer = Buffer.concat([encodePlan(SMALL_PLAN), Buffer.from([0])]);
    longer.writeUInt32LE(longer.length, 8);
    expect(check([change(0, 1), change(4, 2), change(8, 5), longer, new Uint8Array()])).toBe('11111');
  });

  test('every proper prefix of a plan is refused', () => {
    const plan = encodePlan(RICH_PLAN);
    const prefixes = Array.from({ length: plan.length }, (_, size) => {
      const prefix = Buffer.from(plan.subarray(0, size));
      if (size >= 12) prefix.writeUInt32LE(size, 8);
      return prefix;
    });
    expect(check(prefixes)).toBe('1'.repeat(plan.length));
  });

  test.each([
    ['mounts without a mount namespace', { namespaces: { create: ['pid'] }, mounts: [{ target: '/x', fstype: 'tmpfs' }] }],
    ['a pivot without a mount namespace', { rootfs: { path: '/rootfs' } }],
    ['a host name without a uts namespace', { hostname: 'x' }],
    ['loopback without a network namespace', { loopbackUp: true }],
    ['masked paths without a mount namespace', { maskedPaths: ['/proc/kcore'] }],
    ['devices without a rootfs', { devices: RICH_PLAN.devices ?? [] }],
    ['an exec with a new namespace', { kind: 'exec', namespaces: { create: ['pid'] } }],
  ] as [string, Partial<InitPlan>][])('%s would change the host, so it is refused', (_, more) => {
    expect(check([encodePlan({ kind: 'create', process: SMALL_PLAN.process, ...more })])).toBe('1');
  });

  test('2000 damaged plans make dray-init refuse or accept, never crash', () => {
    const seed = Math.floor(Math.random() * 0x7fffffff);
    expect(check(mutations(2000, seed)), `seed ${seed}`).toMatch(/^[01]{2000}$/);
  });

  const hasSanitizer = spawnSync('cc', ['-fsanitize=address,undefined', '-x', 'c', '-o', '/dev/null', '-'], { input: 'int main(void){return 0;}' }).status === 0;
  test.skipIf(!hasSanitizer)(`AddressSanitizer and UBSan find nothing in damaged plans${hasSanitizer ? '' : ' (skipped: no compiler with sanitizers)'}`, () => {
    const out = fs.mkdtempSync(path.join(os.tmpdir(), 'dray-sanitize-'));
    const built = spawnSync(process.execPath, [path.join(packageRoot, 'scripts/build-native.mjs'), '--sanitize', '--out', out], { encoding: 'utf8' });
    expect(built.stderr).toBe('');
    const seed = Math.floor(Math.random() * 0x7fffffff);
    expect(check([encodePlan(RICH_PLAN), ...mutations(2000, seed)], path.join(out, 'bin/dray-init')), `seed ${seed}`).toMatch(/^0[01]{2000}$/);
    fs.rmSync(out, { recursive: true });
  }, 120_000);
});
