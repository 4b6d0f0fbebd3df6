import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** What a command printed and how it ended. */
export interface CommandResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Debian's runc, for comparison. */
export const RUNC = '/usr/sbin/runc';
const MAIN = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts');

/** Why the original cannot be compared with, or `undefined`. */
export function missingRunc(): string | undefined {
  return existsSync(RUNC) ? undefined : 'runc is not installed';
}

/** Runs Debian's runc. */
export function runc(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  return command(RUNC, args, options);
}

/** Runs runc-ts from its sources. */
export function runcTs(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const program = `import { main } from ${JSON.stringify(MAIN)}; process.exit(await main(process.argv.slice(1)));`;
  return command(process.execPath, ['--conditions=@dray/source', '--disable-warning=ExperimentalWarning', '--input-type=module', '-e', program, '--', ...args], options);
}

/** How a command is run. */
export interface CommandOptions {
  readonly cwd?: string;
  readonly input?: string;
  /** Without pipes: for commands that leave a process behind with their own streams. */
  readonly detached?: boolean;
}

/** Runs a command to its end and that of its output; a container that it leaves behind must not hold the pipes. */
export function command(file: string, args: readonly string[], { cwd, input = '', detached = false }: CommandOptions = {}): Promise<CommandResult> {
  const { promise, resolve, reject } = Promise.withResolvers<CommandResult>();
  if (detached) {
    spawn(file, args, { stdio: 'ignore' }).on('error', reject).on('exit', (status) => { resolve({ status, stdout: '', stderr: '' }); });
    return promise;
  }
  const child = spawn(file, args, { stdio: 'pipe', ...(cwd === undefined ? {} : { cwd }) });
  const texts = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => { texts.stdout += chunk.toString(); });
  child.stderr.on('data', (chunk: Buffer) => { texts.stderr += chunk.toString(); });
  child.on('error', reject);
  child.on('close', (status) => {
    resolve({ status, ...texts });
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  return promise;
}
