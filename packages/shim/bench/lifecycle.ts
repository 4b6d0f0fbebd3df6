/**
 * Times one container's life as the shim sees it, create → start → exit → delete, and what a running one costs in memory.
 *   node --conditions=@dray/source bench/lifecycle.ts [rounds] [runtime binary; empty for the built-in one]
 */
import { readFileSync } from 'node:fs';
import { Harness } from '../test/harness.ts';

const rounds = Number(process.argv[2] ?? 30);
await using harness = await Harness.open({ binaryName: process.argv[3] ?? '' });
const times: Record<'create' | 'start' | 'exit' | 'delete' | 'total', number[]> = { create: [], start: [], exit: [], delete: [], total: [] };

function median(values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b);
  return `median ${(sorted[Math.floor(sorted.length / 2)] ?? 0).toFixed(1)} ms, best ${(sorted[0] ?? 0).toFixed(1)} ms`;
}

function pssKib(pid: number, key = 'Pss'): number {
  return Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
}

harness.makeBundle('first', { args: ['true'] });
const task = await harness.connect('first');
const options = harness.options();
for (let round = 0; round < rounds + 3; round++) {
  const id = `r${round}`;
  const bundle = harness.makeBundle(id, { args: ['true'] });
  const begin = performance.now();
  await task.create({ id, bundle, options });
  const created = performance.now();
  const ended = task.wait({ id });
  await task.start({ id });
  const started = performance.now();
  await ended;
  const exited = performance.now();
  await task.delete({ id });
  const deleted = performance.now();
  if (round < 3) continue;
  times.create.push(created - begin);
  times.start.push(started - created);
  times.exit.push(exited - started);
  times.delete.push(deleted - exited);
  times.total.push(deleted - begin);
}
for (const [step, values] of Object.entries(times)) console.log(`${step.padEnd(7)} ${median(values)}`);

const { shimPid } = await task.connect({ id: '' });
const before = pssKib(shimPid);
const density = 20;
const pids: number[] = [];
for (let index = 0; index < density; index++) {
  const id = `d${index}`;
  await task.create({ id, bundle: harness.makeBundle(id, { args: ['sleep', '1000'] }), options });
  pids.push((await task.start({ id })).pid);
}
await new Promise((resolve) => setTimeout(resolve, 2500));
const monitors = pids.map((pid) => Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]));
const monitorPss = monitors.reduce((sum, pid) => sum + pssKib(pid), 0) / density;
const monitorPrivate = monitors.reduce((sum, pid) => sum + pssKib(pid, 'Private_Dirty'), 0) / density;
console.log(`monitor PSS ${monitorPss.toFixed(0)} KiB (private ${monitorPrivate.toFixed(0)} KiB) with ${density} of them; shim PSS ${before} KiB empty, ${pssKib(shimPid)} KiB with ${density} containers`);
