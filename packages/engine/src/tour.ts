import fs from 'node:fs';
import { styleText } from 'node:util';
import { ApiClient } from './api-client.ts';
import { containerPid, ensureBuiltinImage, removeContainer, runBuiltin, startBuiltin } from './container-run.ts';
import { type EnginePlace, enginePid, isDockerSocket, startEngine } from './engine-process.ts';
import { readPid } from './process-files.ts';

/** Starts the engine, runs a container of the built-in image, and shows what runs where. */
export async function tour(place: EnginePlace, print: (line: string) => void): Promise<void> {
  const startedAt = performance.now();
  const isStarted = await startEngine(place);
  const client = new ApiClient(place.socket);
  await ensureBuiltinImage(client);
  print(`${bold('Dray')} ${isStarted ? `started in ${Math.round(performance.now() - startedAt)} ms` : 'is running'}: ${place.socket}${place.isPrivate ? ' (Docker\'s own socket is taken)' : ''}`);
  print('');
  const ranAt = performance.now();
  const finished = await runBuiltin(client, []);
  print(bold(`A container ran in ${Math.round(performance.now() - ranAt)} ms and said:`));
  for (const line of finished.stdout.toString('utf8').trimEnd().split('\n')) print(`  ${line}`);
  print('');
  const id = await startBuiltin(client, ['sleep', '60']);
  try {
    print(bold('While another one sleeps, these processes run:'));
    for (const line of await processTable(place, await containerPid(client, id))) print(`  ${line}`);
  } finally {
    await removeContainer(client, id);
  }
  print('');
  print(isDockerSocket(place) ? 'docker ps, docker run, docker compose … now talk to it.' : `${bold('To use it:')} export DOCKER_HOST=unix://${place.socket}`);
  print(`${bold('To stop it:')} ${process.argv[1] ?? 'dray-engine'} down`);
}

/** The engine's processes and the container's, as `ps` shows them. */
async function processTable(place: EnginePlace, containerProcess: number): Promise<string[]> {
  const daemon = enginePid(place) ?? 0;
  const containerd = readPid(`${place.settings.config.execRoot}/containerd/containerd.pid`) ?? 0;
  const monitor = parentOf(containerProcess);
  const shims = allPids().filter((pid) => nameOf(pid) === 'containerd-shim-dray-v2' && commandOf(pid).includes(place.settings.config.execRoot));
  const rows = [...new Set([daemon, containerd, ...shims, monitor, containerProcess])].filter((pid) => pid > 1).map((pid) => [String(pid), String(parentOf(pid)), nameOf(pid)]);
  return [['PID', 'PPID', 'COMMAND'], ...rows].map(([pid = '', parent = '', name = '']) => `${pid.padStart(8)} ${parent.padStart(8)}  ${name}`);
}

function allPids(): number[] {
  return fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number);
}

function commandOf(pid: number): string {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return ''; // ended meanwhile
  }
}

const COMMANDS = ['drayd', 'dray-containerd', 'containerd-shim-dray-v2', 'dray-monitor'];
/** Longest command that is printed. */
const COMMAND_LENGTH_MAX = 100;

/** The command of one of the engine's programs, also behind a Node; else the command line. */
function nameOf(pid: number): string {
  const line = commandOf(pid);
  const [program = '', ...rest] = line.split(' ');
  const script = /(?:^|\/)node$/.test(program) ? rest.find((word) => !word.startsWith('-')) ?? '' : program;
  return COMMANDS.find((name) => script.slice(script.lastIndexOf('/') + 1).replace(/\.mjs$/, '') === name) ?? line.slice(0, COMMAND_LENGTH_MAX);
}

function parentOf(pid: number): number {
  try {
    return Number(/^PPid:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0; // ended meanwhile
  }
}

function bold(text: string): string {
  return styleText('bold', text);
}
