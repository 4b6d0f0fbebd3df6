// Create, start, wait and delete of `true`: in process, as a command, and by Debian's runc and crun, interleaved in one run.
// node --conditions=@dray/source bench/side-by-side.mjs [rounds]
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitPid } from '@dray/libcontainer';
import { createRuntime } from '../src/index.ts';
import { createBundle } from '../test/support/bundle.ts';

const rounds = Number(process.argv[2] ?? 20);
const bundle = createBundle();
const root = mkdtempSync(join(tmpdir(), 'runc-ts-bench-'));
const runtime = createRuntime({ root: join(root, 'lib') });
const spec = bundle.configure();
const command = (file, name) => () => {
  const { status, stderr } = spawnSync(file, ['--root', join(root, name), 'run', '--bundle', bundle.directory, 'bench'], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${file}: ${stderr}`);
};
const ways = {
  'in process: create + start': { run: async () => (await runtime.run('bench', { bundle: bundle.directory, spec })).pid, after: async (pid) => { await waitPid(pid); await runtime.delete('bench'); } },
  'in process: whole life': { run: async () => { await waitPid((await runtime.run('bench', { bundle: bundle.directory, spec })).pid); await runtime.delete('bench'); } },
  'runc-ts run': { run: command(join(import.meta.dirname, '..', 'bin', 'runc-ts.mjs'), 'ts') },
  'runc run': { run: command('/usr/sbin/runc', 'runc') },
  'crun run': { run: command('/usr/bin/crun', 'crun') },
  'node -e 0': { run: () => spawnSync(process.execPath, ['-e', '0']) },
};
leaveOutMissing('crun run');

/** crun, for one, refuses a hybrid system whose v2 tree has controllers. */
function leaveOutMissing(name) {
  try {
    ways[name].run();
  } catch (error) {
    console.log(`${name} is left out: ${error.message.trim()}`);
    delete ways[name];
  }
}

try {
  const times = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
  for (let round = -2; round < rounds; round++) {
    for (const [name, { run, after }] of Object.entries(ways)) {
      const start = performance.now();
      const value = await run();
      if (round >= 0) times[name].push(performance.now() - start);
      await after?.(value);
    }
  }
  const median = (values) => values.toSorted((left, right) => left - right)[values.length >> 1];
  const reference = median(times['runc run']);
  for (const [name, values] of Object.entries(times)) console.log(`${name.padEnd(28)} ${median(values).toFixed(1).padStart(7)} ms  ${(median(values) / reference).toFixed(2)} of runc`);
} finally {
  bundle[Symbol.dispose]();
  rmSync(root, { recursive: true });
}
