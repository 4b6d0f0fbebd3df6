import { constants, open } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { promisify } from 'node:util';

/** A plain number, which the socket then owns; a FileHandle would close it when collected. */
const openFd = promisify<string, number, number>(open);

/** Where a process's output goes and its input comes from. */
export type TaskStdio =
  /** Nowhere. */
  | { readonly kind: 'null' }
  /** To streams of this process. With a terminal, stdout carries stderr too. */
  | { readonly kind: 'streams'; readonly hasStdin?: boolean; readonly hasTerminal?: boolean; /** Default the system's temporary folder. */ readonly directory?: string }
  /** To what containerd's stdio URIs name: FIFO paths, `file://`, `binary://`. */
  | { readonly kind: 'uris'; readonly stdin?: string; readonly stdout?: string; readonly stderr?: string; readonly hasTerminal?: boolean };

/** What goes into a request. */
export interface StdioPaths {
  readonly stdin: string;
  readonly stdout: string;
  readonly stderr: string;
  readonly terminal: boolean;
}

/** One process's standard streams, as far as this process holds them. */
export interface OpenStdio {
  readonly paths: StdioPaths;
  readonly stdin: Writable | undefined;
  readonly stdout: Readable | undefined;
  readonly stderr: Readable | undefined;
  /** Closes input, and removes the FIFOs; output ends by itself when the shim has closed it. */
  release(): Promise<void>;
  /** Closes everything at once. */
  destroy(): Promise<void>;
}

/** Opens what `stdio` asks for, ready for the shim. On failure nothing is left behind. */
export async function openStdio(stdio: TaskStdio): Promise<OpenStdio> {
  switch (stdio.kind) {
    case 'null':
      return withoutStreams({ stdin: '', stdout: '', stderr: '', terminal: false });
    case 'uris':
      return withoutStreams({ stdin: stdio.stdin ?? '', stdout: stdio.stdout ?? '', stderr: stdio.stderr ?? '', terminal: stdio.hasTerminal ?? false });
    case 'streams':
      return openFifos(stdio);
  }
}

function withoutStreams(paths: StdioPaths): OpenStdio {
  const nothing = (): Promise<void> => Promise.resolve();
  return { paths, stdin: undefined, stdout: undefined, stderr: undefined, release: nothing, destroy: nothing };
}

async function openFifos(stdio: TaskStdio & { readonly kind: 'streams' }): Promise<OpenStdio> {
  // Loaded here: who never asks for streams needs no native code.
  const { mkfifo } = await import('@dray/libcontainer');
  const hasTerminal = stdio.hasTerminal ?? false;
  const directory = await mkdtemp(join(stdio.directory ?? tmpdir(), 'containerd-stdio-'));
  const streams: Socket[] = [];
  const openFifo = async (name: string, flags: number): Promise<Socket> => {
    const path = join(directory, name);
    mkfifo(path, 0o700);
    const stream = toSocket(await openFd(path, flags | constants.O_NONBLOCK), flags === constants.O_RDONLY);
    streams.push(stream);
    return stream;
  };
  try {
    // Open for reading too, so that opening does not wait for the shim; it is never read.
    const stdin = stdio.hasStdin === true ? await openFifo('stdin', constants.O_RDWR) : undefined;
    const stdout = await openFifo('stdout', constants.O_RDONLY);
    const stderr = hasTerminal ? undefined : await openFifo('stderr', constants.O_RDONLY);
    const removeFifos = (): Promise<void> => rm(directory, { recursive: true, force: true });
    return {
      paths: {
        stdin: stdin === undefined ? '' : join(directory, 'stdin'),
        stdout: join(directory, 'stdout'),
        stderr: stderr === undefined ? '' : join(directory, 'stderr'),
        terminal: hasTerminal,
      },
      stdin,
      stdout,
      stderr,
      release: async () => {
        stdin?.destroy();
        await removeFifos();
      },
      destroy: async () => {
        for (const stream of streams) stream.destroy();
        await removeFifos();
      },
    };
  } catch (error) {
    for (const stream of streams) stream.destroy();
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

/** A FIFO as a stream that waits in the event loop, not in a thread. The socket owns the descriptor from then on. */
function toSocket(fd: number, isReadable: boolean): Socket {
  return new Socket({ fd, readable: isReadable, writable: !isReadable });
}
