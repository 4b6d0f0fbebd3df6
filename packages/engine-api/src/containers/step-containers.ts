/** Containers as a build uses them: one per step, run to its end without a client. */
import { Duplex } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { FrameDecoder } from '../client/frames.ts';
import { errorKind, notImplemented } from '../errors.ts';
import type { MountDescription } from '../kernel-port.ts';
import { layersOf, type Layers } from './archive/archive-root.ts';
import { parseCreateBody } from './create/body.ts';
import { createContainer } from './lifecycle/create.ts';
import type { Engine } from './lifecycle/engine.ts';
import { removeAsAsked } from './lifecycle/remove.ts';
import { startContainer } from './lifecycle/start.ts';
import { waitFor } from './lifecycle/wait.ts';
import { StreamSession } from './stdio/index.ts';

/** A piece of output. */
export type StepOutput = (stream: 'stdout' | 'stderr', text: string) => void;

/** See the file's head. */
export interface StepContainers {
  /** Makes a container from the body of a create request. @throws EngineApiError */
  create(body: Readonly<Record<string, unknown>>): Promise<{ id: string; warnings: readonly string[] }>;
  /** Runs a container to its end and resolves to its exit code once all output was told. An abort kills and removes it, then rejects with the reason. */
  run(id: string, onOutput: StepOutput, signal: AbortSignal): Promise<number>;
  /** Removes a container with its anonymous volumes, running or not. One that is gone is no error. */
  remove(id: string): Promise<void>;
  /** Where the container's own files are. @throws EngineApiError not_implemented for a snapshotter that is no overlay */
  layers(id: string): Promise<Layers>;
  /** Calls `use` with a folder where the mounts are. */
  withMounts<T>(mounts: readonly MountDescription[], use: (root: string) => Promise<T>): Promise<T>;
}

/** Makes the operations. */
export function stepContainers(engine: Engine): StepContainers {
  const remove = async (id: string): Promise<void> => {
    try {
      await removeAsAsked(engine, engine.registry.find(id), { removesVolumes: true, isForced: true });
    } catch (error) {
      if (errorKind(error) !== 'not_found') throw error;
    }
  };
  return {
    async create(body) {
      const { container, warnings } = await createContainer(engine, { name: '', platform: undefined, body: parseCreateBody(body) });
      return { id: container.id, warnings };
    },
    async run(id, onOutput, signal) {
      signal.throwIfAborted();
      const container = engine.registry.find(id);
      const client = new OutputClient(onOutput);
      const session = new StreamSession(client, { output: { stdout: true, stderr: true, isFramed: true }, hasStdin: false, closesStdin: false, detachKeys: undefined });
      container.sessions.add(session);
      void session.ended.then(() => container.sessions.delete(session));
      try {
        await startContainer(engine, container);
        const code = await waitFor(container, 'not-running', signal);
        await session.ended;
        return code;
      } catch (error) {
        client.destroy();
        if (signal.aborted) await remove(id);
        throw error;
      }
    },
    remove,
    async layers(id) {
      const layers = layersOf(await engine.tasks.snapshotMounts(id));
      if (layers === undefined) throw notImplemented('build is not implemented for this snapshotter');
      return layers;
    },
    withMounts: (mounts, use) => engine.rootfs.withMounts(mounts, use),
  };
}

/** The client's side of a session that only listens. */
class OutputClient extends Duplex {
  readonly #frames = new FrameDecoder();
  readonly #text = { stdout: new StringDecoder('utf8'), stderr: new StringDecoder('utf8') };
  readonly #onOutput: StepOutput;

  constructor(onOutput: StepOutput) {
    super({ allowHalfOpen: true });
    this.#onOutput = onOutput;
  }

  override _read(): void { /* there is no input */ }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    for (const { stream, data } of this.#frames.decode(chunk)) {
      const text = this.#text[stream].write(data);
      if (text !== '') this.#onOutput(stream, text);
    }
    done();
  }

  override _final(done: (error?: Error | null) => void): void {
    for (const stream of ['stdout', 'stderr'] as const) {
      const rest = this.#text[stream].end();
      if (rest !== '') this.#onOutput(stream, rest);
    }
    this.push(null);
    done();
  }
}
