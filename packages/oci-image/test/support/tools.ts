import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Why tests cannot run here: not root, or a program is missing. Empty when they can. */
export function missing(...programs: readonly string[]): string {
  const lacking = programs.filter((program) => !(process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, program))));
  return [...(process.getuid?.() === 0 ? [] : ['needs root']), ...lacking.map((program) => `needs ${program}`)].join(', ');
}

/** A test suite's name with the reason it is skipped for. */
export function suiteName(name: string, reason: string): string {
  return reason === '' ? name : `${name} (skipped: ${reason})`;
}

/** Runs a program to its end. @returns what it wrote to stdout */
export async function execute(program: string, args: readonly string[]): Promise<string> {
  return (await run(program, args, { maxBuffer: 256 * 1024 * 1024 })).stdout;
}

/** A folder that is removed with everything in it. */
export async function scratchFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'oci-image-test-'));
  return { path, [Symbol.asyncDispose]: async () => { await rm(path, { recursive: true, force: true }); } };
}

/** A port that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Debian's docker-registry on loopback, with its own storage. */
export async function startRegistry(): Promise<AsyncDisposable & { readonly host: string }> {
  const folder = await scratchFolder();
  const host = `127.0.0.1:${await freePort()}`;
  const config = join(folder.path, 'config.yml');
  await writeFile(config, `version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: ${folder.path}/storage}}\nhttp: {addr: "${host}"}\n`);
  const child = spawn('docker-registry', ['serve', config], { stdio: 'ignore' });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  for (;;) {
    if (child.exitCode !== null) throw new Error('docker-registry ended at once');
    if (await fetch(`http://${host}/v2/`).then((response) => response.ok, () => false)) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {
    host,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await exited;
      await folder[Symbol.asyncDispose]();
    },
  };
}
