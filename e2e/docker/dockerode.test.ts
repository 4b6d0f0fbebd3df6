import { PassThrough } from 'node:stream';
import Docker from 'dockerode';
import { describe, expect, it } from 'vitest';
import { engineForFile, missing } from '../support/fixture.ts';

describe.skipIf(missing !== undefined)(`dockerode${missing ? ` (skipped: ${missing})` : ''}`, () => {
  const engine = engineForFile();
  const docker = (): Docker => new Docker({ socketPath: engine.current.socket });

  it('runs a container and reads its output', async () => {
    const out = new PassThrough();
    const chunks: Buffer[] = [];
    out.on('data', (chunk: Buffer) => chunks.push(chunk));
    const [result, container] = await docker().run('busybox', ['sh', '-c', 'echo from dockerode; exit 3'], out, { HostConfig: {} }) as [{ StatusCode: number }, Docker.Container];
    expect(result.StatusCode).toBe(3);
    expect(Buffer.concat(chunks).toString()).toBe('from dockerode\r\n');
    await container.remove();
  });

  it('creates, inspects, lists, stops and removes', async () => {
    const container = await docker().createContainer({ Image: 'busybox', Cmd: ['sleep', '1000'], name: 'ode', Labels: { kind: 'test' } });
    await container.start();
    await expect(container.start()).rejects.toMatchObject({ statusCode: 304 });
    expect(await container.inspect()).toMatchObject({ Name: '/ode', State: { Running: true }, Config: { Labels: { kind: 'test' } } });
    expect(await docker().listContainers({ filters: { label: ['kind=test'] } })).toMatchObject([{ Names: ['/ode'], State: 'running' }]);
    await container.stop({ t: 0 });
    await expect(container.stop()).rejects.toMatchObject({ statusCode: 304 });
    await container.remove();
    await expect(container.inspect()).rejects.toMatchObject({ statusCode: 404 });
  });

  it('executes without an upgrade of the connection and finds the exit code when the stream ends', async () => {
    const container = await docker().createContainer({ Image: 'busybox', Cmd: ['sleep', '1000'] });
    await container.start();
    const exec = await container.exec({ Cmd: ['sh', '-c', 'echo out; echo err >&2; exit 5'], AttachStdout: true, AttachStderr: true });
    const stream = await exec.start({ hijack: false, stdin: false });
    const [out, err] = [new PassThrough(), new PassThrough()];
    const text = { out: '', err: '' };
    out.on('data', (chunk: Buffer) => (text.out += chunk.toString()));
    err.on('data', (chunk: Buffer) => (text.err += chunk.toString()));
    docker().modem.demuxStream(stream, out, err);
    await new Promise((resolve) => stream.on('end', resolve).on('close', resolve));
    expect((await exec.inspect()).ExitCode).toBe(5);
    expect(text).toEqual({ out: 'out\n', err: 'err\n' });
    await container.remove({ force: true });
  });

  it('writes to a process and reads what it answers', async () => {
    const container = await docker().createContainer({ Image: 'busybox', Cmd: ['cat'], OpenStdin: true, StdinOnce: true, AttachStdin: true, AttachStdout: true });
    const stream = await container.attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack: true });
    await container.start();
    let answer = '';
    const out = new PassThrough();
    out.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    docker().modem.demuxStream(stream, out, out);
    stream.write('hello');
    stream.end();
    expect(await container.wait()).toMatchObject({ StatusCode: 0 });
    await new Promise((resolve) => (stream.readableEnded ? resolve(undefined) : stream.on('end', resolve).on('close', resolve)));
    expect(answer).toBe('hello');
    await container.remove();
  });

  it('puts and gets archives, and makes networks and volumes', async () => {
    const client = docker();
    const volume = await client.createVolume({ Name: 'ode-volume' });
    const network = await client.createNetwork({ Name: 'ode-network', Driver: 'bridge' });
    expect((await client.listVolumes()).Volumes.map(({ Name }) => Name)).toContain('ode-volume');
    const container = await client.createContainer({ Image: 'busybox', Cmd: ['sh', '-c', 'cat /data/file'], HostConfig: { Binds: ['ode-volume:/data'], NetworkMode: 'ode-network' } });
    expect((await network.inspect() as { Name: string }).Name).toBe('ode-network');
    await container.start();
    expect(await container.wait()).toMatchObject({ StatusCode: 1 });
    await container.remove();
    await network.remove();
    await volume.remove();
  });
});
