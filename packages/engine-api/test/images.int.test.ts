import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestDaemon, busyboxArchive, missing, run, startRegistry, startTestDaemon } from './support.ts';

describe.skipIf(missing !== undefined)(`images with the docker CLI on Debian's containerd${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let host: TestDaemon;
  let registry: Awaited<ReturnType<typeof startRegistry>>;
  let archive: string;
  let imageId: string;

  beforeAll(async () => {
    host = await startTestDaemon();
    registry = await startRegistry(host.folder);
    archive = await busyboxArchive(host.folder);
    imageId = (JSON.parse(execFileSync('tar', ['-xOf', archive, 'manifest.json']).toString()) as [{ Config: string }])[0].Config.replace('.json', '');
  }, 60_000);

  afterAll(async () => {
    await registry[Symbol.asyncDispose]();
    await host[Symbol.asyncDispose]();
  }, 60_000);

  it('loads an archive under the digest of its configuration and shows it to docker and ctr', async () => {
    expect(await host.ok('load', '-i', archive)).toBe('Loaded image: busybox:latest');
    expect(await host.ok('images', '--no-trunc', '--format', '{{.Repository}}:{{.Tag}} {{.ID}}')).toBe(`busybox:latest sha256:${imageId}`);
    expect(execFileSync('ctr', ['-a', host.containerdAddress, '-n', 'moby', 'images', 'ls', '-q']).toString()).toContain('docker.io/library/busybox:latest');
    expect(await host.ok('image', 'inspect', 'busybox', '--format', '{{.Os}} {{.Config.Cmd}} {{.Config.Labels.who}} {{len .RootFS.Layers}}')).toBe('linux [sh] test 1');
    expect(await host.ok('history', 'busybox', '--format', '{{.CreatedBy}}')).toBe('fixture');
  });

  it('finds an image by name, id and prefix, and words what is missing', async () => {
    for (const name of ['busybox', 'busybox:latest', 'docker.io/library/busybox', imageId, `sha256:${imageId}`, imageId.slice(0, 12)]) {
      expect(await host.ok('image', 'inspect', name, '--format', '{{.Id}}')).toBe(`sha256:${imageId}`);
    }
    expect((await host.docker('image', 'inspect', 'nope')).stderr).toContain('No such image: nope:latest');
    expect((await host.docker('image', 'inspect', 'UPPER')).stderr).toContain('repository name must be lowercase');
  });

  it('tags, untags, and deletes with the last name', async () => {
    await host.ok('tag', 'busybox', 'other/name:v1');
    expect(await host.ok('images', '-q', 'other/name')).toBe(imageId.slice(0, 12));
    expect((await host.docker('rmi', imageId)).stderr).toContain('must be forced) - image is referenced in multiple repositories');
    expect(await host.ok('rmi', 'other/name:v1')).toBe('Untagged: other/name:v1');
    expect(await host.ok('rmi', 'busybox')).toMatch(new RegExp(`^Untagged: busybox:latest\nDeleted: sha256:${imageId}\nDeleted: sha256:[0-9a-f]{64}$`));
    expect(await host.ok('images', '-aq')).toBe('');
    expect(execFileSync('ctr', ['-a', host.containerdAddress, '-n', 'moby', 'snapshots', 'ls']).toString().trim().split('\n')).toHaveLength(1);
    expect(execFileSync('ctr', ['-a', host.containerdAddress, '-n', 'moby', 'content', 'ls', '-q']).toString().trim()).toBe('');
  });

  it('refuses to delete what containers use', async () => {
    await host.ok('load', '-q', '-i', archive);
    host.references.push({ id: 'c'.repeat(64), name: 'user', imageId: `sha256:${imageId}`, isRunning: true, isPaused: false });
    expect((await host.docker('rmi', 'busybox')).stderr).toContain('conflict: unable to remove repository reference "busybox" (must force) - container cccccccccccc is using its referenced image');
    expect((await host.docker('rmi', '-f', imageId)).stderr).toContain('cannot be forced) - image is being used by running container cccccccccccc');
    expect(await host.ok('rmi', '-f', 'busybox')).toBe('Untagged: busybox:latest');
    expect(await host.ok('images', '--filter', 'dangling=true', '-q')).toBe(imageId.slice(0, 12));
    host.references.length = 0;
    expect(await host.ok('image', 'prune', '-f')).toContain(`deleted: sha256:${imageId}`);
  });

  it('saves what skopeo understands, and loads it again with the same id', async () => {
    await host.ok('load', '-q', '-i', archive);
    const saved = path.join(host.folder, 'saved.tar');
    await host.ok('save', '-o', saved, 'busybox:latest');
    const inspected = await run('skopeo', ['inspect', '--config', '--raw', `docker-archive:${saved}`]);
    expect(inspected.stderr).toBe('');
    expect(JSON.parse(inspected.stdout)).toMatchObject({ os: 'linux', config: { Cmd: ['sh'] } });
    await host.ok('rmi', 'busybox');
    expect(await host.ok('load', '-q', '-i', saved)).toBe('Loaded image: busybox:latest');
    expect(await host.ok('images', '-q', '--no-trunc')).toBe(`sha256:${imageId}`);
  });

  it('pulls from a registry what skopeo pushed, by tag and by digest, and knows when nothing is new', async () => {
    expect((await run('skopeo', ['copy', '--dest-tls-verify=false', `docker-archive:${archive}`, `docker://${registry.address}/lib/busybox:1`])).code).toBe(0);
    const name = `${registry.address}/lib/busybox:1`;
    const first = await host.ok('pull', name);
    expect(first).toMatch(/^1: Pulling from lib\/busybox\n[0-9a-f]{12}: Pulling fs layer\n/);
    expect(first).toContain(`Status: Downloaded newer image for ${name}`);
    expect(await host.ok('pull', name)).toContain(`Status: Image is up to date for ${name}`);
    const digest = /Digest: (sha256:\w+)/.exec(first)?.[1] ?? '';
    expect(await host.ok('image', 'inspect', name, '--format', '{{index .RepoDigests 0}} {{.Id}}')).toBe(`${registry.address}/lib/busybox@${digest} sha256:${imageId}`);
    expect(await host.ok('pull', '-q', `${registry.address}/lib/busybox@${digest}`)).toContain(digest);
    expect(await host.ok('rmi', name)).toBe(`Untagged: ${name}\nUntagged: ${registry.address}/lib/busybox@${digest}`);
    await host.ok('rmi', 'busybox');
    expect(await host.ok('images', '-aq')).toBe('');
  });

  it('pushes what skopeo can inspect and docker can pull back under the same id', async () => {
    await host.ok('load', '-q', '-i', archive);
    const name = `${registry.address}/pushed/box:v2`;
    await host.ok('tag', 'busybox', name);
    const first = await host.ok('push', name);
    expect(first).toContain(`The push refers to repository [${registry.address}/pushed/box]`);
    expect(first).toMatch(/\n[0-9a-f]{12}: Pushed\n(?:.*\n)*v2: digest: sha256:[0-9a-f]{64} size: \d+$/);
    expect(await host.ok('push', name)).toMatch(/[0-9a-f]{12}: Layer already exists/);
    expect(JSON.parse((await run('skopeo', ['inspect', '--tls-verify=false', '--config', `docker://${name}`])).stdout)).toMatchObject({ config: { Cmd: ['sh'] } });
    await host.ok('rmi', name, 'busybox');
    await host.ok('pull', '-q', name);
    expect(await host.ok('images', '-q', '--no-trunc')).toBe(`sha256:${imageId}`);
    await host.ok('rmi', name);
    expect((await host.docker('push', 'nothing/here:v1')).stderr).toContain('An image does not exist locally with the tag: nothing/here');
  });

  it('words pulls that fail, before anything is half there', async () => {
    expect((await host.docker('pull', `${registry.address}/lib/busybox:missing`)).stderr).toContain(`manifest for ${registry.address}/lib/busybox:missing not found: manifest unknown: manifest unknown`);
    expect((await host.docker('pull', '127.0.0.1:1/x:y')).code).toBe(1);
    expect(await host.ok('images', '-aq')).toBe('');
  });

  it('imports a file system with changes', async () => {
    const layer = execFileSync('tar', ['-C', '/bin', '-cf', '-', 'busybox'], { maxBuffer: 1 << 26 });
    const imported = await host.dockerWithInput(layer, 'import', '-c', 'CMD ["/busybox","sh"]', '-c', 'ENV a=b', '-m', 'why', '-', 'imported:v1');
    expect(imported.stderr).toBe('');
    expect(imported.stdout).toMatch(/^sha256:[0-9a-f]{64}\n$/);
    expect(await host.ok('image', 'inspect', 'imported:v1', '--format', '{{json .Config.Cmd}} {{json .Config.Env}} {{.Comment}}')).toBe('["/busybox","sh"] ["a=b"] why');
    await host.ok('rmi', 'imported:v1');
    expect((await host.dockerWithInput(Buffer.from('rubbish'), 'import', '-', 'bad:v1')).code).toBe(1);
    expect(await host.ok('images', '-aq')).toBe('');
  });

  it('refuses damaged archives and leaves nothing', async () => {
    const bytes = fs.readFileSync(archive);
    expect((await host.dockerWithInput(bytes.subarray(0, bytes.length / 2), 'load')).stderr + (await host.dockerWithInput(bytes.subarray(0, bytes.length / 2), 'load')).stdout).toContain('unexpected EOF');
    expect((await host.dockerWithInput(Buffer.alloc(2048, 'x'), 'load')).code).toBe(1);
    expect(await host.ok('images', '-aq')).toBe('');
  });

  it('answers version, info, system df and volumes', async () => {
    expect(await host.ok('version', '--format', '{{.Server.APIVersion}} {{(index .Server.Components 1).Name}}')).toBe('1.51 containerd');
    expect(await host.ok('info', '--format', '{{.Driver}} {{.OSType}} {{.Swarm.LocalNodeState}} {{.Containers}}')).toBe('overlayfs linux inactive 0');
    expect(await host.ok('volume', 'create', 'data')).toBe('data');
    expect(await host.ok('volume', 'ls', '-q')).toBe('data');
    expect(await host.ok('system', 'df', '--format', '{{.Type}} {{.TotalCount}}')).toBe('Images 0\nContainers 0\nLocal Volumes 1\nBuild Cache 0');
    expect(await host.ok('volume', 'rm', 'data')).toBe('data');
    expect((await host.docker('swarm', 'leave')).stderr).toContain('This node is not part of a swarm');
    expect(await host.ok('events', '--since', '1', '--until', '2')).toBe('');
    expect(await host.ok('events', '--since', '1h', '--until', String(Math.ceil(Date.now() / 1000)), '--filter', 'type=volume', '--format', '{{.Action}} {{.Actor.ID}}')).toBe('create data\ndestroy data');
  });
});
