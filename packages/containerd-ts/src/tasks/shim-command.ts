import { spawn } from 'node:child_process';
import { DeleteResponse } from '@dray/containerd-api/task';
import type { Any } from '../any.ts';
import { ContainerdError } from '../errors.ts';
import { VERSION } from '../version.ts';
import { encodeBootstrap, parseShimAnswer, type ShimAddress } from './bootstrap.ts';
import type { Bundle } from './bundle.ts';
import type { Exit } from './exit.ts';

/** What shims are told of the daemon. */
export interface ShimEnvironment {
  readonly grpcAddress: string;
  readonly ttrpcAddress: string;
  /** The command that publishes events for shims which cannot speak ttrpc. */
  readonly publishBinary: string;
  readonly isDebug: boolean;
}

/** Milliseconds that a shim may take for `start`. */
const START_TIMEOUT_MS = 30_000;
/** Milliseconds that a shim may take for `delete`. */
const DELETE_TIMEOUT_MS = 10_000;
/** Bytes of a shim's output that are read. */
const OUTPUT_BYTES_MAX: number = 64 * 1024;

/**
 * Runs the shim's `start` command.
 *
 * @throws ContainerdError `unknown`, `SHIM_START`
 */
export async function startShim(binary: string, bundle: Bundle, environment: ShimEnvironment, options: Any | undefined): Promise<ShimAddress> {
  const input = encodeBootstrap({
    id: bundle.id,
    namespace: bundle.namespace,
    isDebug: environment.isDebug,
    version: VERSION,
    ttrpcAddress: environment.ttrpcAddress,
    grpcAddress: environment.grpcAddress,
    binary: environment.publishBinary,
    options,
  });
  const { stdout, stderr, failure } = await run(binary, [...flags(bundle, environment), 'start'], { bundle, environment, input, timeoutMs: START_TIMEOUT_MS });
  if (failure !== undefined) {
    const said = Buffer.concat([stdout, stderr]).toString('utf8').trim();
    throw new ContainerdError(`failed to start shim: start failed: ${said}: ${failure}: unknown`, { kind: 'unknown', code: 'SHIM_START' });
  }
  return parseShimAnswer(stdout);
}

/**
 * Runs the shim's `delete` command, which kills what is left of a container and cleans up.
 *
 * @throws ContainerdError `unknown`, `SHIM_DELETE`
 */
export async function deleteShim(binary: string, bundle: Bundle, environment: ShimEnvironment): Promise<Exit & { readonly pid: number }> {
  const args = [...flags(bundle, environment), '-bundle', bundle.path, 'delete'];
  const { stdout, stderr, failure } = await run(binary, args, { bundle, environment, input: new Uint8Array(), timeoutMs: DELETE_TIMEOUT_MS });
  if (failure !== undefined) throw new ContainerdError(`${stderr.toString('utf8').trim()}: ${failure}: unknown`, { kind: 'unknown', code: 'SHIM_DELETE' });
  const { pid, exitStatus, exitedAt } = DeleteResponse.decode(stdout);
  return { pid, exitStatus, exitedAt };
}

function flags(bundle: Bundle, environment: ShimEnvironment): string[] {
  const debug = environment.isDebug ? ['-debug'] : [];
  return ['-namespace', bundle.namespace, '-address', environment.grpcAddress, '-publish-binary', environment.publishBinary, '-id', bundle.id, ...debug];
}

interface RunOptions {
  readonly bundle: Bundle;
  readonly environment: ShimEnvironment;
  readonly input: Uint8Array;
  readonly timeoutMs: number;
}

interface RunResult {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  /** Why the command failed, or undefined. */
  readonly failure: string | undefined;
}

/**
 * Runs a command in the bundle. Resolves when the command has exited and closed its output. The exit alone is not enough, since the answer may still be
 * in the pipe; waiting for the pipe alone would not end where a long-lived child inherited it, hence the short grace.
 */
function run(binary: string, args: readonly string[], { bundle, environment, input, timeoutMs }: RunOptions): Promise<RunResult> {
  return new Promise((resolve) => {
    const child = spawn(binary, args, { cwd: bundle.path, env: shimEnvironment(bundle, environment), stdio: ['pipe', 'pipe', 'pipe'] });
    const stdout = collect(child.stdout);
    const stderr = collect(child.stderr);
    let failure: string | undefined;
    const timer = setTimeout(() => {
      failure = `no answer within ${String(timeoutMs / 1000)} s`;
      child.kill('SIGKILL');
    }, timeoutMs);
    const finish = (): void => {
      clearTimeout(timer);
      child.stdout.destroy();
      child.stderr.destroy();
      resolve({ stdout: stdout(), stderr: stderr(), failure });
    };
    child.once('error', (error) => {
      failure = error.message;
      finish();
    });
    child.once('exit', (code, signal) => {
      if (signal !== null) failure ??= `signal: ${signal}`;
      else if (code !== 0) failure ??= `exit status ${String(code)}`;
      setTimeout(finish, INHERITED_PIPE_GRACE_MS).unref();
    });
    child.once('close', finish);
    // A shim that does not read its input is no failure.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}

/** Milliseconds after the exit for which an open pipe is still read. */
const INHERITED_PIPE_GRACE_MS = 200;

function collect(stream: NodeJS.ReadableStream): () => Buffer {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    if (size < OUTPUT_BYTES_MAX) chunks.push(chunk);
    size += chunk.length;
  });
  return () => Buffer.concat(chunks).subarray(0, OUTPUT_BYTES_MAX);
}

function shimEnvironment(bundle: Bundle, environment: ShimEnvironment): NodeJS.ProcessEnv {
  const { NOTIFY_SOCKET: _, ...inherited } = process.env;
  return {
    ...inherited,
    GOMAXPROCS: '2',
    MAX_SHIM_VERSION: '2',
    TTRPC_ADDRESS: environment.ttrpcAddress,
    GRPC_ADDRESS: environment.grpcAddress,
    NAMESPACE: bundle.namespace,
  };
}
