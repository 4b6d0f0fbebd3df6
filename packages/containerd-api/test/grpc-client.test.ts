import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, ServerCredentials, status, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connectContainerd, isContainerdApiError, type ContainerdConnection } from '../src/index.ts';
import { ContainersService, type ContainersServer, type ListContainersRequest, type ListContainersResponse } from '../src/gen/services/containers/v1/containers.ts';
import { ContentService, WriteAction, type ContentServer } from '../src/gen/services/content/v1/content.ts';

let directory: string;
let address: string;
let server: Server;
let containerd: ContainerdConnection;

/** Handlers for the methods that a test needs; the rest answer Unimplemented by themselves. */
function serve(containers: Partial<ContainersServer>, content: Partial<ContentServer> = {}): void {
  server.addService(ContainersService, containers);
  server.addService(ContentService, content);
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'dray-grpc-'));
  address = join(directory, 'c.sock');
  server = new Server({ 'grpc.max_receive_message_length': 16 << 20 });
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${address}`, ServerCredentials.createInsecure(), (error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
  containerd = await connectContainerd(`unix://${address}`, { namespace: 'moby' });
});

afterEach(async () => {
  await containerd.close();
  server.forceShutdown();
  await rm(directory, { recursive: true });
});

type List = (call: ServerUnaryCall<ListContainersRequest, ListContainersResponse>, answer: sendUnaryData<ListContainersResponse>) => void;

describe('a unary call', () => {
  it('carries namespace and lease, and headers of its own over them', async () => {
    const seen: unknown[] = [];
    const list: List = (call, answer) => {
      seen.push(call.metadata.getMap());
      answer(null, { containers: [] });
    };
    serve({ list });
    await containerd.containers.list({});
    await containerd.withScope({ lease: 'l' }).containers.list({}, { metadata: { 'containerd-namespace': 'other', x: 'y' } });
    expect(seen).toMatchObject([{ 'containerd-namespace': 'moby' }, { 'containerd-namespace': 'other', 'containerd-lease': 'l', x: 'y' }]);
  });

  it('fails with the kind that the status and its text say', async () => {
    const answers = [
      { code: status.NOT_FOUND, details: 'container "a": not found' },
      { code: status.FAILED_PRECONDITION, details: 'write: conflict' },
    ];
    const list: List = (_, answer) => {
      answer(answers.shift() ?? { code: status.INTERNAL });
    };
    serve({ list });
    const errors = [await errorOf(containerd.containers.list({})), await errorOf(containerd.containers.list({})), await errorOf(containerd.containers.get({}))];
    expect(errors).toMatchObject([
      { kind: 'not_found', code: 'STATUS', status: 5, message: 'container "a": not found' },
      { kind: 'conflict' },
      { kind: 'not_implemented' },
    ]);
    expect(errors.every(isContainerdApiError)).toBe(true);
  });

  it('is cancelled by its signal, here and at the server', async () => {
    const { promise: isCancelled, resolve: cancelled } = Promise.withResolvers<undefined>();
    const { promise: isCalled, resolve: called } = Promise.withResolvers<undefined>();
    const list: List = (call) => {
      call.on('cancelled', () => {
        cancelled(undefined);
      });
      called(undefined);
    };
    serve({ list });
    const stop = new AbortController();
    const call = errorOf(containerd.containers.list({}, { signal: stop.signal }));
    await isCalled;
    stop.abort(new Error('enough'));
    expect(await call).toMatchObject({ message: 'enough' });
    await isCancelled;
    expect(await errorOf(containerd.containers.list({}, { signal: stop.signal }))).toMatchObject({ message: 'enough' });
  });

  it('is unavailable while nobody listens', async () => {
    await using other = await connectContainerd(join(directory, 'none.sock'));
    expect(await errorOf(other.containers.list({}))).toMatchObject({ kind: 'unavailable' });
    await expect(other.waitUntilReady({ signal: AbortSignal.timeout(20) })).rejects.toMatchObject({ name: 'TimeoutError' });
  });

  it('takes and gives messages beyond 4 MiB', async () => {
    const list: List = (call, answer) => {
      answer(null, { containers: call.request.filters.map((id) => container(id)) });
    };
    serve({ list });
    const { containers } = await containerd.containers.list({ filters: ['x'.repeat(6 << 20)] });
    expect(containers[0]?.id).toHaveLength(6 << 20);
  });
});

describe('a stream of the server', () => {
  it('gives its messages in order and ends', async () => {
    serve({
      listStream: (call) => {
        for (const id of ['a', 'b', 'c']) call.write({ container: container(id) });
        call.end();
      },
    });
    const ids = [];
    for await (const message of containerd.containers.listStream({})) ids.push(message.container?.id);
    expect(ids).toEqual(['a', 'b', 'c']);
  });

  it('ends with the error of the server, after what came before', async () => {
    serve({
      listStream: (call) => {
        call.write({ container: container('a') });
        call.emit('error', Object.assign(new Error('x'), { code: status.DATA_LOSS, details: 'lost: data loss' }));
      },
    });
    const messages = containerd.containers.listStream({});
    expect(await messages.next()).toMatchObject({ value: { container: { id: 'a' } } });
    expect(await errorOf(messages.next())).toMatchObject({ kind: 'data_loss', message: 'lost: data loss' });
  });

  it('is cancelled at the server when the reader stops, or never starts', async () => {
    const { promise: isCancelled, resolve: cancelled } = Promise.withResolvers<undefined>();
    serve({
      listStream: (call) => {
        call.on('cancelled', () => {
          cancelled(undefined);
        });
        call.write({ container: container('a') });
      },
    });
    for await (const message of containerd.containers.listStream({})) {
      expect(message.container?.id).toBe('a');
      break;
    }
    await isCancelled;
  });

  it('that fails before it is read keeps its error until then', async () => {
    serve({
      listStream: (call) => {
        call.emit('error', Object.assign(new Error('x'), { code: status.NOT_FOUND, details: 'gone' }));
      },
    });
    const messages = containerd.containers.listStream({});
    await errorOf(containerd.containers.get({}));
    expect(await errorOf(messages.next())).toMatchObject({ kind: 'not_found', message: 'gone' });
  });
});

describe('a stream both ways', () => {
  it('sends and receives in turns, and is cancelled by its signal', async () => {
    const { promise: isCancelled, resolve: cancelled } = Promise.withResolvers<undefined>();
    serve(
      {},
      {
        write: (call) => {
          call.on('data', ({ action, data }: { action: WriteAction; data: Uint8Array }) => {
            call.write({ action, startedAt: undefined, updatedAt: undefined, offset: BigInt(data.length), total: 0n, digest: '' });
          });
          call.on('cancelled', () => {
            cancelled(undefined);
          });
        },
      },
    );
    const stop = new AbortController();
    const write = containerd.content.write({ signal: stop.signal });
    const answers = write[Symbol.asyncIterator]();
    for (const length of [3, 5]) {
      await write.write({ action: WriteAction.WRITE, data: new Uint8Array(length) });
      expect(await answers.next()).toMatchObject({ value: { action: WriteAction.WRITE, offset: BigInt(length) } });
    }
    stop.abort(new Error('enough'));
    expect(await errorOf(answers.next())).toMatchObject({ message: 'enough' });
    expect(await errorOf(write.write({}))).toMatchObject({ message: 'enough' });
    await isCancelled;
  });

  it('fails writes with what the server answered', async () => {
    serve(
      {},
      {
        write: (call) => {
          call.emit('error', Object.assign(new Error('x'), { code: status.ALREADY_EXISTS, details: 'blob exists: already exists' }));
        },
      },
    );
    const write = containerd.content.write();
    expect(await errorOf(write[Symbol.asyncIterator]().next())).toMatchObject({ kind: 'already_exists' });
    expect(await errorOf(write.write({}))).toMatchObject({ kind: 'already_exists', message: 'blob exists: already exists' });
  });
});

async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error('did not fail');
    },
    (error: unknown) => error,
  );
}

function container(id: string): ListContainersResponse['containers'][number] {
  return {
    id,
    labels: {},
    image: '',
    runtime: undefined,
    spec: undefined,
    snapshotter: '',
    snapshotKey: '',
    createdAt: undefined,
    updatedAt: undefined,
    extensions: {},
    sandbox: '',
  };
}
