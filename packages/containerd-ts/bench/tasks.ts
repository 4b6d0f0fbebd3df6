/**
 * Times containerd calls against any number of daemons in one run: `node --conditions=@dray/source bench/tasks.ts <socket>[,runtime] …`.
 * Prints milliseconds per call, the median of many.
 */
import { mkdtempSync, mkdirSync, copyFileSync, rmSync, symlinkSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { openContainerd, type ContainerdConnection } from '@dray/containerd-api/client';

const ROUNDS = Number(process.env['ROUNDS'] ?? 30);
const folder = mkdtempSync(join(tmpdir(), 'dray-bench-'));
mkdirSync(join(folder, 'bin'), { recursive: true });
for (const name of ['proc', 'dev', 'sys', 'etc', 'tmp']) mkdirSync(join(folder, name));
copyFileSync('/bin/busybox', join(folder, 'bin/busybox'));
symlinkSync('busybox', join(folder, 'bin/true'));

type Timings = Map<string, number[]>;

async function timed<T>(timings: Timings, name: string, call: () => Promise<T>): Promise<T> {
  const startedAt = performance.now();
  const result = await call();
  const list = timings.get(name) ?? [];
  list.push(performance.now() - startedAt);
  timings.set(name, list);
  return result;
}

function specOf(id: string): Buffer {
  const spec: Record<string, unknown> = JSON.parse(execFileSync('ctr', ['oci', 'spec'], { encoding: 'utf8' })) as Record<string, unknown>;
  return Buffer.from(JSON.stringify({ ...spec, root: { path: folder, readonly: true }, process: { ...(spec['process'] as object), args: ['/bin/true'], cwd: '/' }, linux: { ...(spec['linux'] as object), cgroupsPath: `/dray-bench/${id}` } }));
}

async function round(containerd: ContainerdConnection, runtime: string, id: string, spec: Buffer, timings: Timings): Promise<void> {
  const runtimeField = { name: runtime, options: undefined };
  const container = { id, labels: {}, image: '', runtime: runtimeField, spec: { typeUrl: 'types.containerd.io/opencontainers/runtime-spec/1/Spec', value: spec }, snapshotter: 'overlayfs', snapshotKey: id, createdAt: undefined, updatedAt: undefined, extensions: {}, sandbox: '' };
  await timed(timings, 'version', () => containerd.version.version({}));
  await timed(timings, 'snapshot prepare', () => containerd.snapshots.prepare({ snapshotter: 'overlayfs', key: id, parent: '', labels: {} }));
  await timed(timings, 'container create', () => containerd.containers.create({ container }));
  const io = { rootfs: [], stdin: '', stdout: '', stderr: '', terminal: false, checkpoint: undefined, options: undefined, runtimePath: '', taskApiAddress: '', taskApiVersion: 0 };
  await timed(timings, 'whole task', async () => {
    await timed(timings, 'task create', () => containerd.tasks.create({ containerId: id, ...io }));
    const exit = containerd.tasks.wait({ containerId: id, execId: '' });
    await timed(timings, 'task start', () => containerd.tasks.start({ containerId: id, execId: '' }));
    await timed(timings, 'task wait', () => exit);
    await timed(timings, 'task delete', () => containerd.tasks.delete({ containerId: id }));
  });
  await timed(timings, 'snapshot remove', () => containerd.snapshots.remove({ snapshotter: 'overlayfs', key: id }));
  await timed(timings, 'container delete', () => containerd.containers.delete({ id }));
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

const rows = new Map<string, string[]>();
const targets = process.argv.slice(2).filter((target) => existsSync(target.split(',')[0] ?? ''));
for (const target of targets) {
  const [socket = '', runtime = 'io.containerd.runc.v2'] = target.split(',');
  const containerd = openContainerd(socket, { namespace: 'bench', lease: 'bench' });
  const timings: Timings = new Map();
  const id = `bench-${String(process.pid)}`;
  const spec = specOf(id);
  await containerd.leases.create({ id: 'bench', labels: {} });
  await round(containerd, runtime, id, spec, new Map());
  for (let count = 0; count < ROUNDS; count += 1) await round(containerd, runtime, id, spec, timings);
  for (const [name, values] of timings) rows.set(name, [...(rows.get(name) ?? []), median(values).toFixed(2)]);
  await containerd.leases.delete({ id: 'bench', sync: true });
  await containerd.namespaces.delete({ name: 'bench' }).catch(() => undefined);
  await containerd.close();
}
rmSync(folder, { recursive: true, force: true });
process.stdout.write(`${'ms'.padEnd(18)}${targets.map((target) => target.slice(-44).padStart(46)).join('')}\n`);
for (const [name, values] of rows) process.stdout.write(`${name.padEnd(18)}${values.map((value) => value.padStart(46)).join('')}\n`);
