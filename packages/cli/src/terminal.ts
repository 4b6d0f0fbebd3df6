import type { Duplex } from 'node:stream';
import { FrameDecoder } from '@dray/engine-api/client';

/** The size of the terminal, or undefined where output is no terminal. */
export function terminalSize(): { height: number; width: number } | undefined {
  const { rows, columns, isTTY } = process.stdout;
  return isTTY ? { height: rows, width: columns } : undefined;
}

/** How to join the user's streams with a process's. */
export interface JoinOptions {
  readonly hasTty: boolean;
  readonly hasStdin: boolean;
  /** Called at once and whenever the terminal changes its size. */
  readonly onResize?: (size: { height: number; width: number }) => Promise<void>;
}

/**
 * Copies the user's input to the process and its output to the user, until the daemon has sent the last byte. With a terminal the user's keys go to the
 * process untouched; the terminal's mode is put back in any case.
 */
export async function join(stream: Duplex, options: JoinOptions): Promise<void> {
  const isRaw = options.hasTty && options.hasStdin && process.stdin.isTTY;
  if (isRaw) process.stdin.setRawMode(true);
  const resize = (): void => {
    const size = terminalSize();
    // A process that has just ended cannot be resized, and need not be.
    if (size) options.onResize?.(size).catch(() => undefined);
  };
  if (options.hasTty) {
    resize();
    process.stdout.on('resize', resize);
  }
  if (options.hasStdin) process.stdin.pipe(stream);
  try {
    await copyOutput(stream, !options.hasTty);
  } finally {
    process.stdout.off('resize', resize);
    process.stdin.unpipe(stream);
    process.stdin.pause();
    if (isRaw) process.stdin.setRawMode(false);
    stream.destroy();
  }
}

async function copyOutput(stream: Duplex, isFramed: boolean): Promise<void> {
  const decoder = new FrameDecoder();
  for await (const data of stream as AsyncIterable<Buffer>) {
    if (!isFramed) await write(process.stdout, data);
    else for (const chunk of decoder.decode(data)) await write(process[chunk.stream], chunk.data);
  }
}

/** Writes and waits while the reader is slow. */
export function write(target: NodeJS.WriteStream, data: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    if (target.write(data, (error) => (error ? reject(error) : undefined))) resolve();
    else target.once('drain', resolve);
  });
}

const FORWARDED: readonly NodeJS.Signals[] = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2', 'SIGCONT'];

/** Sends the signals that this process gets on to the container, until disposed. */
export function forwardSignals(send: (signal: string) => Promise<void>): Disposable {
  const handlers = FORWARDED.map((signal) => {
    // The container may have ended meanwhile; then there is nobody to be signalled.
    const handler = (): void => void send(signal).catch(() => undefined);
    process.on(signal, handler);
    return [signal, handler] as const;
  });
  return { [Symbol.dispose]: () => handlers.forEach(([signal, handler]) => process.off(signal, handler)) };
}
