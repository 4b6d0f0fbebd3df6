import { MessageChannel, type MessagePort, type Transferable, Worker } from 'node:worker_threads';
import { OciImageError } from '../errors.ts';
import type { AppliedLayer, ApplyLayerOptions } from './apply-here.ts';
import { readChunks, serveChunks } from './chunk-port.ts';
import type { PackedLayer, PackLayerOptions } from './pack-here.ts';
import { fromPlainError, type WorkerReply, type WorkerRequest } from './worker-protocol.ts';

/** Options of {@link LayerWorkers}. */
export interface LayerWorkersOptions {
  /** Most worker threads. Default 2. */
  readonly workersMax?: number;
  /** An idle worker ends after this. Default 10 s. */
  readonly idleMs?: number;
}

const IDLE_MS = 10_000;
const WORKERS_MAX = 2;

/**
 * Does layer work in worker threads, so that this thread's event loop stays free. Threads start with the first work, and end when they have been idle.
 */
export class LayerWorkers implements AsyncDisposable {
  readonly #options: Required<LayerWorkersOptions>;
  readonly #idle: LayerThread[] = [];
  readonly #queue: ((thread: LayerThread) => void)[] = [];
  readonly #threads = new Set<LayerThread>();
  #isClosed = false;

  constructor(options: LayerWorkersOptions = {}) {
    this.#options = { workersMax: WORKERS_MAX, idleMs: IDLE_MS, ...options };
  }

  /** Applies a layer; as `applyLayerHere`. After an abort the target is not written any more. */
  async apply(options: ApplyLayerOptions): Promise<AppliedLayer> {
    const { source, onProgress, signal, ...plain } = options;
    const { cancel, release } = cancellation(signal);
    const reply = await this.#run(signal, (thread) => {
      const port = typeof source === 'string' ? undefined : new MessageChannel();
      if (port !== undefined && typeof source !== 'string') serveChunks(port.port1, source);
      const request: WorkerRequest = { kind: 'apply', options: plain, source: typeof source === 'string' ? source : portOf(port), wantsProgress: onProgress !== undefined, cancel };
      return thread.run(request, port === undefined ? [] : [port.port2], onProgress).finally(() => port?.port1.close());
    }).finally(release);
    if (reply.kind !== 'applied') throw unexpected(reply);
    return reply.layer;
  }

  /** Packs a layer to a file; as `packLayerHere` with a path as output. */
  async pack(options: PackLayerOptions & { readonly output: string }): Promise<PackedLayer> {
    const { signal, output, ...plain } = options;
    const { cancel, release } = cancellation(signal);
    const reply = await this.#run(signal, async (thread) => await thread.run({ kind: 'pack', options: plain, output, cancel }, [])).finally(release);
    if (reply.kind !== 'packed') throw unexpected(reply);
    return reply.layer;
  }

  /** Packs a layer to a stream. The last value it returns, its `return` value, tells digests and sizes. */
  async *packStream(options: PackLayerOptions): AsyncGenerator<Uint8Array, PackedLayer, void> {
    const { signal, ...plain } = options;
    const { cancel, release } = cancellation(signal);
    const { port1, port2 } = new MessageChannel();
    const done = this.#run(signal, async (thread) => await thread.run({ kind: 'pack', options: plain, output: port2, cancel }, [port2])).finally(release);
    done.catch(() => {
      port1.close();
    });
    try {
      yield* readChunksUntil(port1, done);
    } finally {
      Atomics.store(cancel, 0, 1);
      port1.close();
    }
    const reply = await done;
    if (reply.kind !== 'packed') throw unexpected(reply);
    return reply.layer;
  }

  /** Ends all threads; work under way fails. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#threads].map(async (thread) => {
      await thread.terminate();
    }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #run(signal: AbortSignal | undefined, work: (thread: LayerThread) => Promise<WorkerReply>): Promise<WorkerReply> {
    signal?.throwIfAborted();
    const thread = await this.#take();
    try {
      signal?.throwIfAborted();
      return await work(thread);
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      this.#give(thread);
    }
  }

  async #take(): Promise<LayerThread> {
    if (this.#isClosed) throw new OciImageError('INVALID_OPTION', 'layer workers are closed', { kind: 'failed_precondition' });
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle.wake();
    if (this.#threads.size >= this.#options.workersMax) {
      return await new Promise((resolve) => {
        this.#queue.push(resolve);
      });
    }
    const thread = new LayerThread(() => {
      this.#threads.delete(thread);
      const index = this.#idle.indexOf(thread);
      if (index >= 0) this.#idle.splice(index, 1);
    });
    this.#threads.add(thread);
    return thread;
  }

  #give(thread: LayerThread): void {
    const next = this.#queue.shift();
    if (next !== undefined) {
      if (thread.isAlive) next(thread);
      else void this.#take().then(next);
      return;
    }
    if (!thread.isAlive) return;
    thread.sleep(this.#options.idleMs);
    this.#idle.push(thread);
  }
}

/** One worker thread; it does one thing at a time. */
class LayerThread {
  readonly #worker: Worker;
  #timer: NodeJS.Timeout | undefined;
  isAlive = true;

  constructor(onExit: () => void) {
    // tsc does not rewrite URLs: the sibling has this file's own ending, `.ts` from sources and `.js` when built.
    const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    this.#worker = new Worker(new URL(`./worker.${ending}`, import.meta.url));
    this.#worker.once('exit', () => {
      this.isAlive = false;
      clearTimeout(this.#timer);
      onExit();
    });
    this.#worker.on('error', () => { /* The run under way hears of it by itself; between runs there is nobody to tell. */ });
  }

  async run(request: WorkerRequest, transfer: readonly Transferable[], onProgress?: (bytesRead: number) => void): Promise<WorkerReply> {
    return await new Promise<WorkerReply>((resolve, reject) => {
      const onMessage = (reply: WorkerReply): void => {
        if (reply.kind === 'progress') {
          onProgress?.(reply.bytesRead);
          return;
        }
        settle();
        if (reply.kind === 'failed') reject(fromPlainError(reply.error));
        else resolve(reply);
      };
      const onEnd = (error: unknown): void => {
        settle();
        reject(error instanceof Error ? error : new OciImageError('LAYER_SYSCALL', `layer worker ended with ${String(error)}`, { kind: 'aborted' }));
      };
      const settle = (): void => {
        this.#worker.off('message', onMessage);
        this.#worker.off('error', onEnd);
        this.#worker.off('exit', onEnd);
      };
      this.#worker.on('message', onMessage);
      this.#worker.once('error', onEnd);
      this.#worker.once('exit', onEnd);
      this.#worker.postMessage(request, transfer);
    });
  }

  wake(): this {
    clearTimeout(this.#timer);
    this.#worker.ref();
    return this;
  }

  sleep(idleMs: number): void {
    this.#worker.unref();
    this.#timer = setTimeout(() => {
      void this.terminate();
    }, idleMs).unref();
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }
}

async function* readChunksUntil(port: MessagePort, done: Promise<unknown>): AsyncGenerator<Uint8Array, void, void> {
  const chunks = readChunks(port);
  const failed = done.then(() => new Promise<never>(() => undefined)); // Only a failure ends the race; success shows as the stream's end.
  for (;;) {
    const next = await Promise.race([chunks.next(), failed]);
    if (next.done === true) return;
    yield next.value;
  }
}

function portOf(channel: MessageChannel | undefined): MessagePort {
  if (channel === undefined) throw new TypeError('no channel');
  return channel.port2;
}

/** A flag in shared memory: the worker's synchronous loop looks at it. */
function cancellation(signal: AbortSignal | undefined): { readonly cancel: Int32Array; readonly release: () => void } {
  const cancel = new Int32Array(new SharedArrayBuffer(4));
  const onAbort = (): void => {
    Atomics.store(cancel, 0, 1);
  };
  signal?.addEventListener('abort', onAbort, { once: true });
  return { cancel, release: () => signal?.removeEventListener('abort', onAbort) };
}

function unexpected(reply: WorkerReply): Error {
  return new OciImageError('LAYER_SYSCALL', `layer worker answered ${reply.kind}`, { kind: 'internal' });
}
