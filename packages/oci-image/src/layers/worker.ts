import { parentPort } from 'node:worker_threads';
import { applyLayerHere } from './apply-here.ts';
import { readChunks, serveChunks } from './chunk-port.ts';
import { packLayer, packLayerHere, type PackedLayer, type PackLayerOptions } from './pack-here.ts';
import { toPlainError, type WorkerReply, type WorkerRequest } from './worker-protocol.ts';

/** The thread that `LayerWorkers` starts. It takes one request after the other. */
parentPort?.on('message', (request: WorkerRequest) => {
  void handle(request).catch((error: unknown): WorkerReply => ({ kind: 'failed', error: toPlainError(error) })).then((reply) => parentPort?.postMessage(reply));
});

async function handle(request: WorkerRequest): Promise<WorkerReply> {
  const signal = flagSignal(request.cancel);
  if (request.kind === 'apply') {
    const source = typeof request.source === 'string' ? request.source : readChunks(request.source);
    const onProgress = (bytesRead: number): void => {
      parentPort?.postMessage({ kind: 'progress', bytesRead } satisfies WorkerReply);
    };
    return { kind: 'applied', layer: await applyLayerHere({ ...request.options, source, signal, ...(request.wantsProgress ? { onProgress } : {}) }) };
  }
  const options = { ...request.options, signal };
  if (typeof request.output === 'string') return { kind: 'packed', layer: await packLayerHere({ ...options, output: request.output }) };
  const { chunks, layer } = splitResult(options);
  serveChunks(request.output, chunks);
  return { kind: 'packed', layer: await layer };
}

/** A packed layer's bytes and, once they have been read, its digests. */
function splitResult(options: PackLayerOptions): { readonly chunks: AsyncGenerator<Uint8Array, void, void>; readonly layer: Promise<PackedLayer> } {
  const { promise, resolve, reject } = Promise.withResolvers<PackedLayer>();
  async function* chunks(): AsyncGenerator<Uint8Array, void, void> {
    try {
      resolve(yield* packLayer(options));
    } catch (error) {
      reject(error);
      throw error;
    } finally {
      reject(new Error('the reader went away'));
    }
  }
  return { chunks: chunks(), layer: promise };
}

/** A signal whose state is a flag in shared memory: only asked, never listened to. */
function flagSignal(flag: Int32Array): AbortSignal {
  const controller = new AbortController();
  const { signal } = controller;
  signal.throwIfAborted = (): void => {
    if (Atomics.load(flag, 0) !== 0) controller.abort();
    if (controller.signal.aborted) throw controller.signal.reason;
  };
  return signal;
}
