import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RuncError } from '../errors.ts';
import { parseSignal } from '../kill.ts';
import type { CommandContext } from './command.ts';
import { table } from './table.ts';

/** `start` */
export async function start({ runtime, args: [id = ''] }: CommandContext): Promise<number> {
  await runtime.start(id);
  return 0;
}

/** `state`: the document without a line end, as the original prints it. */
export function state({ runtime, args: [id = ''], write }: CommandContext): Promise<number> {
  write(JSON.stringify(runtime.state(id), undefined, 2));
  return Promise.resolve(0);
}

/** `kill`: the container is looked for before the signal is. */
export async function kill({ runtime, args: [id = '', signal = 'SIGTERM'], flags }: CommandContext): Promise<number> {
  runtime.state(id);
  await runtime.kill(id, parseSignal(signal), { all: flags.boolean('all') });
  return 0;
}

/** `delete` */
export async function remove({ runtime, args: [id = ''], flags }: CommandContext): Promise<number> {
  await runtime.delete(id, { force: flags.boolean('force') });
  return 0;
}

/** `pause` */
export async function pause({ runtime, args: [id = ''] }: CommandContext): Promise<number> {
  await runtime.pause(id);
  return 0;
}

/** `resume` */
export async function resume({ runtime, args: [id = ''] }: CommandContext): Promise<number> {
  await runtime.resume(id);
  return 0;
}

/** `list`: a directory that is no container is told on standard error and left out. */
export function list({ runtime, flags, log, write }: CommandContext): Promise<number> {
  const listed = runtime.list();
  for (const each of listed) if (each.kind === 'broken') log.write('error', `load container ${each.id}: ${each.error.message}`);
  const states = listed.flatMap((each) => (each.kind === 'container' ? [each.state] : []));
  const format = flags.text('format') ?? 'table';
  if (flags.boolean('quiet')) write(states.map(({ id }) => `${id}\n`).join(''));
  else if (format === 'json') write(JSON.stringify(states.length === 0 ? null : states) + '\n');
  else if (format === 'table') write(table([['ID', 'PID', 'STATUS', 'BUNDLE', 'CREATED', 'OWNER'], ...states.map((each) => [each.id, String(each.pid), each.status, each.bundle, each.created, each.owner])]));
  else throw invalidFormat();
  return Promise.resolve(0);
}

/** `ps`: as a table, the host's `ps` by the container's pids. */
export async function ps({ runtime, args: [id = '', ...options], flags, write }: CommandContext): Promise<number> {
  const pids = runtime.ps(id);
  const format = flags.text('format') ?? 'table';
  if (format === 'json') write(`${JSON.stringify(pids)}\n`);
  else if (format === 'table') write(await processTable(pids, options));
  else throw invalidFormat();
  return 0;
}

/** `spec` */
export function spec({ runtime, flags }: CommandContext): Promise<number> {
  const path = join(flags.text('bundle') ?? '.', 'config.json');
  if (existsSync(path)) throw new RuncError({ kind: 'already_exists', code: 'SPEC_EXISTS', message: 'File config.json exists. Remove it first' });
  const document = runtime.spec({ rootless: flags.boolean('rootless'), uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 });
  writeFileSync(path, JSON.stringify(document, undefined, '\t'), { mode: 0o666 });
  return Promise.resolve(0);
}

/** `features` */
export function features({ runtime, write }: CommandContext): Promise<number> {
  write(`${JSON.stringify(runtime.features(), undefined, 4)}\n`);
  return Promise.resolve(0);
}

/** `checkpoint` */
export function checkpoint({ runtime, args: [id = ''] }: CommandContext): Promise<number> {
  runtime.state(id);
  throw new RuncError({ kind: 'not_implemented', code: 'NOT_IMPLEMENTED', message: 'checkpoint is not implemented: this runtime does not use CRIU' });
}

/** `restore` */
export function restore(_context: CommandContext): Promise<number> {
  throw new RuncError({ kind: 'not_implemented', code: 'NOT_IMPLEMENTED', message: 'restore is not implemented: this runtime does not use CRIU' });
}

async function processTable(pids: readonly number[], options: readonly string[]): Promise<string> {
  const { execFileSync } = await import('node:child_process');
  const text = execFileSync('ps', options.length === 0 ? ['-ef'] : options, { encoding: 'utf8', maxBuffer: 1 << 26 });
  const [header = '', ...lines] = text.split('\n');
  const column = header.trim().split(/\s+/).indexOf('PID');
  if (column === -1) throw new RuncError({ kind: 'invalid_argument', code: 'NO_PID_COLUMN', message: "couldn't find PID field in ps output" });
  const wanted = new Set(pids.map(String));
  const rows = lines.filter((line) => wanted.has(line.trim().split(/\s+/)[column] ?? ''));
  return `${[header, ...rows].join('\n')}\n`;
}

function invalidFormat(): RuncError {
  return new RuncError({ kind: 'invalid_argument', code: 'INVALID_FORMAT', message: 'invalid format option' });
}
