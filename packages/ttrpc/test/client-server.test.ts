import { once } from 'node:events';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { duplexPair } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  FLAG_NO_DATA,
  FLAG_REMOTE_CLOSED,
  FRAME_DATA,
  FRAME_PAYLOAD_BYTES_MAX,
  FRAME_REQUEST,
  FrameDecoder,
  TtrpcClient,
  TtrpcError,
  TtrpcServer,
  createTtrpcClient,
  encodeFrame,
  isTtrpcError,
  type DecodedFrame,
  type TtrpcHandlers,
} from '../src/index.ts';
import { decodeResponse, encodeRequestFrame } from '../src/message.ts';
import { writeFrameHeader } from '../src/frame.ts';
import { EchoDefinition, Note } from './echo-service.ts';

let directory: string;
let path: string;
let server: TtrpcServer;
let client: TtrpcClient;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'dray-ttrpc-'));
  path = join(directory, 's.sock');
  server = new TtrpcServer();
  await server.listen({ path });
  client = await TtrpcClient.connect(path);
});

afterEach(async () => {
  await client.close();
  server.destroy();
  await server.close();
  await rm(directory, { recursive: true });
});

const handlers: TtrpcHandlers<typeof EchoDefinition> = {
  say: ({ text, count }) => ({ text: text.repeat(count) }),
  collect: async (notes) => {
    const texts: string[] = [];
    for await (const note of notes) texts.push(note.text);
    return { text: texts.join(' '), count: texts.length };
  },
  repeat: async function* ({ text, count }) {
    for (let index = 0; index < count; index++) yield await Promise.resolve({ text, count: index });
  },
  chat: async function* (notes) {
    for await (const note of notes) yield { text: note.text.toUpperCase() };
  },
};

async function failureOf(promise: Promise<unknown>): Promise<{ kind: string; code: string; message: string }> {
  const error: unknown = await promise.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  if (!isTtrpcError(error)) throw new Error(`no TtrpcError: ${String(error)}`);
  return { kind: error.kind, code: error.code, message: error.message };
}

async function collectAll<Message>(messages: AsyncIterable<Message>): Promise<Message[]> {
  const all: Message[] = [];
  for await (const message of messages) all.push(message);
  return all;
}

async function* notes(...texts: string[]): AsyncGenerator<Partial<Note>> {
  for (const text of texts) yield await Promise.resolve({ text });
}

describe('a unary call', () => {
  it('takes the zero value for what request and response leave out', async () => {
    server.register(EchoDefinition, handlers);
    const echo = createTtrpcClient(EchoDefinition, client);
    expect(await echo.say({ text: 'ab', count: 2 })).toEqual({ text: 'abab', count: 0 });
    expect(await echo.say({})).toEqual({ text: '', count: 0 });
  });

  it('is answered while earlier ones still run', async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<undefined>();
    server.register(EchoDefinition, {
      say: async ({ text }) => {
        if (text === 'slow') await released;
        return { text };
      },
    });
    const echo = createTtrpcClient(EchoDefinition, client);
    const slow = echo.say({ text: 'slow' });
    expect(await echo.say({ text: 'fast' })).toMatchObject({ text: 'fast' });
    release(undefined);
    expect(await slow).toMatchObject({ text: 'slow' });
  });

  it('carries metadata in lower case, several values to a key', async () => {
    server.register(EchoDefinition, { say: (_, { metadata }) => ({ text: JSON.stringify([...metadata]) }) });
    const { text } = await createTtrpcClient(EchoDefinition, client).say({}, { metadata: { 'Containerd-Namespace-Ttrpc': 'moby', many: ['a', 'b'] } });
    expect(JSON.parse(text)).toEqual([
      ['containerd-namespace-ttrpc', ['moby']],
      ['many', ['a', 'b']],
    ]);
  });

  it('carries kind, message and details of what its handler throws', async () => {
    const details = [{ typeUrl: 'x.Y', value: Uint8Array.of(1, 2) }];
    server.register(EchoDefinition, {
      say: () => {
        throw new TtrpcError('not_found', 'container not created', { details });
      },
    });
    const error: unknown = await createTtrpcClient(EchoDefinition, client)
      .say({})
      .catch((caught: unknown) => caught);
    expect(isTtrpcError(error) && { ...error, message: error.message }).toMatchObject({
      kind: 'not_found',
      code: 'REMOTE',
      status: 5,
      message: 'container not created',
    });
    expect(isTtrpcError(error) && error.details.map(({ typeUrl, value }) => ({ typeUrl, value: [...value] }))).toEqual([{ typeUrl: 'x.Y', value: [1, 2] }]);
  });

  it.each([
    ['an error of another package with a kind', Object.assign(new Error('gone'), { kind: 'failed_precondition' }), 'failed_precondition', 'gone'],
    ['an error without a kind', new Error('oops'), 'unknown', 'oops'],
    ['an error whose kind is another word', Object.assign(new Error('odd'), { kind: 'toString' }), 'unknown', 'odd'],
    ['no error at all', 'text', 'unknown', 'text'],
  ])('is answered when its handler throws %s', async (_, thrown: unknown, kind, message) => {
    server.register(EchoDefinition, { say: () => Promise.reject(thrown as Error) });
    expect(await failureOf(createTtrpcClient(EchoDefinition, client).say({}))).toEqual({ kind, code: 'REMOTE', message });
  });

  it('to an unknown service or method is not implemented', async () => {
    expect(await failureOf(client.call('no.Such', 'X', new Uint8Array(0)))).toMatchObject({ kind: 'not_implemented', message: 'service no.Such' });
    server.register(EchoDefinition, {});
    expect(await failureOf(client.call('dray.test.Echo', 'Say', new Uint8Array(0)))).toMatchObject({ kind: 'not_implemented', message: 'method Say' });
  });

  it('with a request that does not decode is an invalid argument', async () => {
    server.register(EchoDefinition, handlers);
    expect(await failureOf(client.call('dray.test.Echo', 'Say', Uint8Array.of(0xff)))).toMatchObject({ kind: 'invalid_argument' });
  });

  it('fails at its deadline, here and at the handler', async () => {
    const { promise: reason, resolve } = Promise.withResolvers<unknown>();
    server.register(EchoDefinition, {
      say: (_, { signal }) =>
        new Promise(() => {
          signal.addEventListener('abort', () => {
            resolve(signal.reason);
          });
        }),
    });
    const call = createTtrpcClient(EchoDefinition, client).say({}, { timeoutMs: 5 });
    expect(await failureOf(call)).toMatchObject({ kind: 'deadline_exceeded', code: 'TIMEOUT' });
    expect(await reason).toMatchObject({ kind: 'deadline_exceeded' });
  });

  it('is given up by its signal, and the connection goes on', async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<undefined>();
    server.register(EchoDefinition, {
      say: async ({ text }) => {
        if (text === 'slow') await released;
        return { text };
      },
    });
    const echo = createTtrpcClient(EchoDefinition, client);
    const stop = new AbortController();
    const slow = echo.say({ text: 'slow' }, { signal: stop.signal });
    stop.abort(new Error('enough'));
    await expect(slow).rejects.toThrow('enough');
    await expect(echo.say({ text: 'x' }, { signal: stop.signal })).rejects.toThrow('enough');
    release(undefined);
    expect(await echo.say({ text: 'next' })).toMatchObject({ text: 'next' });
  });

  it('is not sent when it is over 4 MiB', async () => {
    expect(await failureOf(client.call('a', 'b', new Uint8Array(FRAME_PAYLOAD_BYTES_MAX)))).toMatchObject({
      kind: 'resource_exhausted',
      code: 'FRAME_TOO_LARGE',
    });
  });

  it('is told when its answer is over 4 MiB', async () => {
    server.register(EchoDefinition, { say: () => ({ text: 'x'.repeat(FRAME_PAYLOAD_BYTES_MAX) }) });
    expect(await failureOf(createTtrpcClient(EchoDefinition, client).say({}))).toMatchObject({ kind: 'resource_exhausted', code: 'REMOTE' });
  });

  it('is told the kind when the error text is over 4 MiB', async () => {
    server.register(EchoDefinition, {
      say: () => {
        throw new TtrpcError('aborted', 'x'.repeat(FRAME_PAYLOAD_BYTES_MAX + 1));
      },
    });
    expect(await failureOf(createTtrpcClient(EchoDefinition, client).say({}))).toMatchObject({ kind: 'aborted' });
  });

  it('works over any stream', async () => {
    const [here, there] = duplexPair();
    server.register(EchoDefinition, handlers);
    server.serve(there);
    await using other = new TtrpcClient(here);
    expect(await createTtrpcClient(EchoDefinition, other).say({ text: 'a', count: 3 })).toMatchObject({ text: 'aaa' });
  });
});

describe('a streaming call', () => {
  it('sends several messages and gets one', async () => {
    server.register(EchoDefinition, handlers);
    expect(await createTtrpcClient(EchoDefinition, client).collect(notes('a', 'b', 'c'))).toEqual({ text: 'a b c', count: 3 });
    expect(await createTtrpcClient(EchoDefinition, client).collect(notes())).toEqual({ text: '', count: 0 });
  });

  it('sends one message and gets several, in order, more than may wait', async () => {
    server.register(EchoDefinition, handlers);
    const answers = await collectAll(createTtrpcClient(EchoDefinition, client).repeat({ text: 'x', count: 300 }));
    expect(answers.map(({ count }) => count)).toEqual(Array.from({ length: 300 }, (_, index) => index));
    expect(await collectAll(createTtrpcClient(EchoDefinition, client).repeat({}))).toEqual([]);
  });

  it('sends and gets at once', async () => {
    server.register(EchoDefinition, handlers);
    const answers = await collectAll(createTtrpcClient(EchoDefinition, client).chat(notes('a', 'b')));
    expect(answers.map(({ text }) => text)).toEqual(['A', 'B']);
  });

  it('ends with the error of its handler, after what came before', async () => {
    server.register(EchoDefinition, {
      repeat: async function* () {
        yield await Promise.resolve({ text: 'first' });
        throw new TtrpcError('data_loss', 'the rest is lost');
      },
    });
    const answers = createTtrpcClient(EchoDefinition, client).repeat({});
    expect(await answers.next()).toMatchObject({ value: { text: 'first' } });
    expect(await failureOf(answers.next())).toMatchObject({ kind: 'data_loss', message: 'the rest is lost' });
  });

  it('fails when what is to be sent fails', async () => {
    server.register(EchoDefinition, handlers);
    const broken = async function* (): AsyncGenerator<Partial<Note>> {
      yield await Promise.resolve({ text: 'a' });
      throw new Error('cannot read the source');
    };
    await expect(createTtrpcClient(EchoDefinition, client).collect(broken())).rejects.toThrow('cannot read the source');
  });

  it('to an unknown method is not implemented', async () => {
    expect(await failureOf(createTtrpcClient(EchoDefinition, client).repeat({}).next())).toMatchObject({ kind: 'not_implemented' });
  });

  it('can be left early', async () => {
    server.register(EchoDefinition, handlers);
    const echo = createTtrpcClient(EchoDefinition, client);
    for await (const { count } of echo.repeat({ count: 200 })) if (count === 3) break;
    expect(await echo.say({ text: 'on', count: 1 })).toMatchObject({ text: 'on' });
  });

  it('hands messages as bytes to who wants them so', async () => {
    server.register(EchoDefinition, handlers);
    const stream = client.stream('dray.test.Echo', 'Chat', { hasRequestStream: true });
    await stream.send(Note.encode({ text: 'hi', count: 0 }).finish());
    const answers = stream[Symbol.asyncIterator]();
    const { value } = (await answers.next()) as { value: Uint8Array };
    expect(Note.decode(value).text).toBe('HI');
    await stream.closeSend();
    expect((await answers.next()).done).toBe(true);
    await expect(stream.send(new Uint8Array(0))).rejects.toThrow();
  });
});

describe('a connection that ends', () => {
  it('fails the open calls of the client as unavailable and tells the handlers', async () => {
    const { promise: reason, resolve } = Promise.withResolvers<unknown>();
    const { promise: isCalled, resolve: called } = Promise.withResolvers<undefined>();
    server.register(EchoDefinition, {
      say: (_, { signal }) =>
        new Promise(() => {
          signal.addEventListener('abort', () => {
            resolve(signal.reason);
          });
          called(undefined);
        }),
    });
    const call = createTtrpcClient(EchoDefinition, client).say({});
    const failed = failureOf(call);
    await isCalled;
    await client.close();
    expect(await failed).toEqual({ kind: 'unavailable', code: 'CLOSED', message: 'ttrpc: closed' });
    expect(await reason).toMatchObject({ kind: 'canceled' });
    expect(client.isClosed).toBe(true);
    expect(await failureOf(client.call('a', 'b', new Uint8Array(0)))).toMatchObject({ code: 'CLOSED' });
  });

  it('is seen by the client when the server breaks it off', async () => {
    server.register(EchoDefinition, { say: () => new Promise(() => undefined) });
    const failed = failureOf(createTtrpcClient(EchoDefinition, client).say({}));
    while (server.connectionCount === 0) await new Promise(setImmediate);
    server.destroy();
    expect(await failed).toMatchObject({ kind: 'unavailable', code: 'CLOSED' });
    await client.closed;
    expect(client.isClosed).toBe(true);
  });

  it('fails a connect to a socket that is not there with the system error', async () => {
    await expect(TtrpcClient.connect(join(directory, 'none'))).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(TtrpcClient.connect(path, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
  });
});

describe('a server', () => {
  it('finishes open calls before it closes, and refuses new ones meanwhile', async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<undefined>();
    const { promise: isCalled, resolve: called } = Promise.withResolvers<undefined>();
    server.register(EchoDefinition, {
      say: async () => {
        called(undefined);
        await released;
        return { text: 'done' };
      },
    });
    const echo = createTtrpcClient(EchoDefinition, client);
    const call = echo.say({});
    await isCalled;
    const closing = server.close();
    expect(await failureOf(echo.say({}))).toMatchObject({ kind: 'unavailable' });
    release(undefined);
    expect(await call).toMatchObject({ text: 'done' });
    await closing;
    await expect(TtrpcClient.connect(path)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('makes its socket for the owner alone', async () => {
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it('fails to listen where another listens', async () => {
    await expect(new TtrpcServer().listen({ path })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });

  it('serves several connections', async () => {
    server.register(EchoDefinition, handlers);
    await using other = await TtrpcClient.connect(path);
    const answers = await Promise.all([client, other].map((one) => createTtrpcClient(EchoDefinition, one).say({ text: 'a', count: 1 })));
    expect(answers.map(({ text }) => text)).toEqual(['a', 'a']);
    expect(server.connectionCount).toBe(2);
  });
});

describe('a server that is spoken to byte by byte', () => {
  let socket: Socket;
  let frames: DecodedFrame[];

  beforeEach(async () => {
    server.register(EchoDefinition, handlers);
    socket = connect({ path });
    await once(socket, 'connect');
    frames = [];
    const decoder = new FrameDecoder();
    socket.on('data', (chunk: Uint8Array) => frames.push(...decoder.push(chunk)));
  });
  afterEach(() => {
    socket.destroy();
  });

  async function answer(): Promise<{ streamId: number; code: number; message: string }> {
    for (;;) {
      const frame = frames.shift();
      if (frame?.oversize === false) {
        const { status } = decodeResponse(frame.payload);
        return { streamId: frame.streamId, code: status?.code ?? 0, message: status?.message ?? '' };
      }
      await once(socket, 'data');
    }
  }

  function requestFrame(streamId: number, method: string): Uint8Array {
    const payload = Note.encode({ text: 'x', count: 1 }).finish();
    return encodeRequestFrame(streamId, 0, { service: 'dray.test.Echo', method, payload, timeoutNanos: 0n, metadata: new Map() });
  }

  it('refuses even stream ids, ids used before, and data for streams that are not there', async () => {
    socket.write(requestFrame(2, 'Say'));
    expect(await answer()).toEqual({ streamId: 2, code: 3, message: 'StreamID must be odd for client initiated streams' });
    socket.write(requestFrame(5, 'Say'));
    expect(await answer()).toMatchObject({ streamId: 5, code: 0 });
    socket.write(requestFrame(5, 'Say'));
    expect(await answer()).toEqual({ streamId: 5, code: 3, message: 'StreamID cannot be re-used and must increment' });
    socket.write(encodeFrame({ streamId: 9, type: FRAME_DATA, flags: FLAG_REMOTE_CLOSED | FLAG_NO_DATA }, new Uint8Array(0)));
    expect(await answer()).toEqual({ streamId: 9, code: 3, message: 'StreamID is no longer active' });
  });

  it('drains a frame over 4 MiB, answers resource exhausted, and goes on', async () => {
    const head = new Uint8Array(10);
    writeFrameHeader(head, { streamId: 1, type: FRAME_REQUEST, flags: 0 }, FRAME_PAYLOAD_BYTES_MAX + 1);
    socket.write(head);
    socket.write(new Uint8Array(FRAME_PAYLOAD_BYTES_MAX + 1));
    expect(await answer()).toMatchObject({ streamId: 1, code: 8 });
    socket.write(requestFrame(3, 'Say'));
    expect(await answer()).toMatchObject({ streamId: 3, code: 0 });
  });

  it('answers a request that is no protobuf, and ignores frames of types it does not know', async () => {
    socket.write(encodeFrame({ streamId: 1, type: 77, flags: 0 }, Uint8Array.of(1)));
    socket.write(encodeFrame({ streamId: 3, type: FRAME_REQUEST, flags: 0 }, Uint8Array.of(0x0a, 0x7f)));
    expect(await answer()).toMatchObject({ streamId: 3, code: 3 });
  });

  it('understands requests that arrive one byte at a time', async () => {
    for (const byte of requestFrame(1, 'Say')) socket.write(Uint8Array.of(byte));
    expect(await answer()).toMatchObject({ streamId: 1, code: 0 });
  });
});
