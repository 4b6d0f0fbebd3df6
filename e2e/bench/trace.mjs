// node e2e/bench/trace.mjs [--warm-up 10] [--min-ms 0.3] [-- docker arguments]
// Runs one docker command (by default `run --rm busybox true`) and prints when each step began and how long it took, across the client, drayd,
// dray-containerd and the shim. The daemons run with trace-hook.mjs, which costs time itself: compare steps with each other, and totals by run.mjs.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';

const { values: options, positionals } = parseArgs({ options: { 'warm-up': { type: 'string', default: '10' }, 'min-ms': { type: 'string', default: '0.3' } }, allowPositionals: true });
const command = positionals.length > 0 ? positionals : ['run', '--rm', 'busybox', 'true'];
process.env.PATH = `${path.resolve(import.meta.dirname, '../../node_modules/.bin')}:${process.env.PATH}`;
const [{ startEngine, dockerCli }, { busyboxArchive }] = await Promise.all(['engine', 'images'].map((name) => import(`../support/${name}.ts`)));

const file = path.join(fs.mkdtempSync('/tmp/dray-trace-'), 'events');
fs.writeFileSync(file, '');
process.env.NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ''} --import=${path.join(import.meta.dirname, 'trace-hook.mjs')}`;
process.env.DRAY_TRACE = file;
const now = () => performance.timeOrigin + performance.now();

try {
  await using engine = await startEngine();
  await engine.ok('load', '-q', '-i', busyboxArchive(engine.folder));
  // For commands that need a running container, `exec box true`.
  await engine.ok('run', '-d', '--name', 'box', 'busybox', 'sleep', '100000');
  for (let round = 0; round < Number(options['warm-up']); round++) await engine.ok(...command);
  fs.truncateSync(file);
  const start = now();
  const status = await new Promise((resolve) => spawn(dockerCli, command, { env: { ...process.env, DOCKER_HOST: engine.host }, stdio: 'inherit' }).on('close', resolve));
  const end = now();
  // What was put off until after the answer belongs to the picture.
  await new Promise((resolve) => setTimeout(resolve, 300));
  print(start, end, status);
} finally {
  fs.rmSync(path.dirname(file), { recursive: true });
}

function print(start, end, status) {
  const events = fs.readFileSync(file, 'utf8').trim().split('\n').map((line) => JSON.parse(line)).filter(({ ms }) => ms === undefined || ms >= Number(options['min-ms']));
  events.push({ at: start, program: 'docker', what: `${command.join(' ')} (exit status ${status})`, ms: end - start });
  console.log(`${'at ms'.padStart(8)} ${'took ms'.padStart(8)}  process                  step`);
  for (const { at, ms, program, what } of events.sort((a, b) => a.at - b.at)) {
    console.log(`${(at - start).toFixed(1).padStart(8)} ${(ms === undefined ? '' : ms.toFixed(1)).padStart(8)}  ${program.padEnd(24)} ${what}`);
  }
}
