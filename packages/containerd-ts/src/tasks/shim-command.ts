import { spawn } from 'node:child_process';
import { DeleteResponse } from '@dray/containerd-api/task';
import { Any as WireAny } from '@dray/containerd-api/types';
import type { Any } from '../any.ts';
import { ContainerdError } from '../errors.ts';
import { VERSION } from '../version.ts';
import { encodeBootstrap, parseShimAnswer, type ShimAddress } from './bootstrap.ts';
import type { Bundle } from './bundle.ts';
import type { Exit } from './exit.ts';
import { shimCommand } from './shim-script.ts';

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

/** Binaries that know nothing of BootstrapParams and take it for the options it begins like. Found out once for each. */
const withoutBootstrap = new Set<string>();

/** What a shim of containerd 1.x says when it takes the parameters for an Any of options. */
const TAKEN_FOR_OPTIONS = /type with url .*: not found/;

/**
 * Runs the shim's `start` command. The parameters go to its standard input as containerd 2.3 sends them; a shim that is too old for them gets what
 * containerd 1.x sends, the bare options.
 *
 * @throws ContainerdError `unknown`, `SHIM_START`
 */
export async function startShim(binary: string, bundle: Bundle, environment: ShimEnvironment, options: Any | undefined): Promise<ShimAddress> {
  const legacyInput = options === undefined ? new Uint8Array() : WireAny.encode({ ...options }).finish();
  if (withoutBootstrap.has(binary)) return answerOf(await runStart(binary, bundle, environment, legacyInput));
  const result = await runStart(binary, bundle, environment, bootstrapInput(bundle, environment, options));
  if (result.failure === undefined || !TAKEN_FOR_OPTIONS.test(saidBy(result))) return answerOf(result);
  withoutBootstrap.add(binary);
  return answerOf(await runStart(binary, bundle, environment, legacyInput));
}

function runStart(binary: string, bundle: Bundle, environment: ShimEnvironment, input: Uint8Array): Promise<RunResult> {
  return run(binary, [...flags(bundle, environment), 'start'], { bundle, environment, input, timeoutMs: START_TIMEOUT_MS });
}

function bootstrapInput(bundle: Bundle, environment: ShimEnvironment, options: Any | undefined): Uint8Array {
  const { ttrpcAddress, grpcAddress, isDebug, publishBinary } = environment;
  return encodeBootstrap({ id: bundle.id, namespace: bundle.namespace, isDebug, version: VERSION, ttrpcAddress, grpcAddress, binary: publishBinary, options });
}

function answerOf(result: RunResult): ShimAddress {
  if (result.failure === undefined) return parseShimAnswer(result.stdout);
  throw new ContainerdError(`failed to start shim: start failed: ${saidBy(result)}: ${result.failure}: unknown`, { kind: 'unknown', code: 'SHIM_START' });
}

function saidBy({ stdout, stderr }: RunResult): string {
  return Buffer.concat([stdout, stderr]).toString('utf8').trim();
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
    const command = shimCommand(binary);
    const child = spawn(command.file, [...command.args, ...args], { cwd: bundle.path, env: shimEnvironment(bundle, environment), stdio: ['pipe', 'pipe', 'pipe'] });
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
