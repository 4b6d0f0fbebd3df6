import { RuncError } from '../errors.ts';
import type { HookSpec } from '../spec/types.ts';

/** The state that a hook reads from its standard input. */
export interface HookState {
  readonly ociVersion: string;
  readonly id: string;
  readonly status: 'creating' | 'created' | 'running' | 'stopped';
  /** Absent when there is no process any more. */
  readonly pid?: number;
  readonly bundle: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** What of a hook's output goes into an error; the rest is read and dropped. */
const OUTPUT_BYTES_MAX = 64 << 10;

/**
 * Runs hooks in the caller's namespaces, one after the other; the first failure ends it. Each gets exactly the environment of its `env`.
 * @throws RuncError `aborted` (`HOOK_FAILED`), in runc's words.
 */
export async function runHooks(hooks: readonly HookSpec[], state: HookState): Promise<void> {
  for (const [index, hook] of hooks.entries()) {
    const failure = await runHook(hook, state);
    if (failure !== undefined) throw new RuncError({ kind: 'aborted', code: 'HOOK_FAILED', message: `error running hook #${index}: ${failure}` });
  }
}

/** Resolves to what went wrong. */
async function runHook(hook: HookSpec, state: HookState): Promise<string | undefined> {
  // Loaded here, since most containers have no hooks and it takes 5 ms.
  const { spawn } = await import('node:child_process');
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const timeoutSeconds = hook.timeout !== undefined && hook.timeout > 0 ? hook.timeout : undefined;
  const [argv0, ...rest] = hook.args ?? [];
  // A name without a slash is a file of the working directory and not looked for in PATH.
  const file = hook.path.includes('/') ? hook.path : `./${hook.path}`;
  const child = spawn(file, rest, { argv0: argv0 ?? hook.path, env: environment(hook.env ?? []), cwd: state.bundle, stdio: 'pipe' });
  const output = [collect(child.stdout), collect(child.stderr)];
  let timedOut = false;
  const timer = timeoutSeconds === undefined ? undefined : setTimeout(() => {
    timedOut = true;
    child.kill('SIGKILL');
  }, timeoutSeconds * 1000);
  child.on('error', (error) => {
    clearTimeout(timer);
    resolve(`fork/exec ${hook.path}: ${reason(error)}`);
  });
  child.on('close', (code, signal) => {
    clearTimeout(timer);
    if (timedOut) resolve(`hook ran past specified timeout of ${(timeoutSeconds ?? 0).toFixed(1)}s`);
    else if (code === 0) resolve(undefined);
    else resolve(`error running hook: ${signal === null ? `exit status ${code}` : `signal: ${signal}`}, stdout: ${output[0]?.() ?? ''}, stderr: ${output[1]?.() ?? ''}`);
  });
  // A hook that does not read its state is no failure.
  child.stdin.on('error', () => undefined);
  child.stdin.end(JSON.stringify(state));
  return await promise;
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    if (size < OUTPUT_BYTES_MAX) chunks.push(chunk);
    size += chunk.length;
  });
  return () => Buffer.concat(chunks).subarray(0, OUTPUT_BYTES_MAX).toString('utf8');
}

function environment(env: readonly string[]): Record<string, string> {
  const result: Record<string, string> = {};
  for (const pair of env) {
    const equals = pair.indexOf('=');
    if (equals > 0) result[pair.slice(0, equals)] = pair.slice(equals + 1);
  }
  return result;
}

function reason(error: Error): string {
  const code = 'code' in error ? error.code : undefined;
  const words: Record<string, string> = { ENOENT: 'no such file or directory', EACCES: 'permission denied', ENOEXEC: 'exec format error', ENOTDIR: 'not a directory' };
  return (typeof code === 'string' ? words[code] : undefined) ?? error.message;
}
