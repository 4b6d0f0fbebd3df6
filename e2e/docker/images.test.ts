import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../support/command.ts';
import { engineForFile, missing as missingEngine } from '../support/fixture.ts';
import { nastyImage } from '../support/nasty-image.ts';
import { missingForPeer, startPeer, type Peer } from '../support/peer.ts';
import { missingForRegistry, startRegistry, type TestRegistry } from '../support/registry.ts';
import { describeTree } from '../support/tree.ts';

const missing = missingEngine ?? missingForRegistry;

describe.skipIf(missing !== undefined)(`images${missing ? ` (skipped: ${missing})` : ''}`, () => {
  const engine = engineForFile();
  let registry: TestRegistry;
  let image = '';
  let layout = '';

  beforeAll(async () => {
    if (missing !== undefined) return;
    registry = await startRegistry(engine.current.folder);
    layout = nastyImage(engine.current.folder);
    image = `${registry.address}/test/nasty:1`;
    execFileSync('skopeo', ['copy', '-q', '--dest-tls-verify=false', layout, `docker://${image}`]);
  });
  afterAll(async () => {
    await registry?.[Symbol.asyncDispose]();
  });

  it('are pulled from a registry with Docker\'s own progress lines', async () => {
    const pulled = await engine.current.ok('pull', image);
    expect(pulled).toMatch(/^1: Pulling from test\/nasty$/m);
    expect(pulled).toMatch(/^Digest: sha256:[0-9a-f]{64}$/m);
    expect(pulled).toContain(`Status: Downloaded newer image for ${image}`);
    expect(await engine.current.ok('pull', image)).toContain(`Status: Image is up to date for ${image}`);
  });

  it('unpack to the very tree that umoci unpacks', async () => {
    await engine.current.ok('pull', '-q', image);
    const bundle = path.join(engine.current.folder, 'umoci-bundle');
    execFileSync('umoci', ['unpack', '--image', layout.replace('oci:', ''), bundle]);
    const id = await engine.current.ok('create', image, '/bin/sh');
    const view = path.join(engine.current.folder, 'view');
    fs.mkdirSync(view);
    const [, ...lower] = lowerDirectories(engine.current.containerdSocket, id); // the topmost is the engine's own: /etc/hosts, /.dockerenv and the like
    execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', `ro,lowerdir=${lower.join(':')}`, view]);
    const [ours, theirs] = [describeTree(view), describeTree(path.join(bundle, 'rootfs'))];
    execFileSync('umount', [view]);
    await engine.current.ok('rm', id);
    expect(ours.split('\n').slice(1)).toEqual(theirs.split('\n').slice(1));
  });

  it.skipIf(missingForPeer !== undefined)(`have the id that dockerd computes${missingForPeer ? ` (skipped: ${missingForPeer})` : ''}`, async () => {
    await using peer: Peer = await startPeer();
    for (const target of [peer, engine.current]) await target.ok('pull', '-q', image);
    const of = (target: { ok(...args: string[]): Promise<string> }): Promise<string> => target.ok('inspect', '-f', '{{.Id}} {{json .RootFS}} {{json .RepoDigests}} {{.Architecture}} {{json .Config.Cmd}} {{json .Config.Env}}', image);
    expect(await of(engine.current)).toBe(await of(peer));
  });

  it('are loaded, tagged, listed, saved and removed', async () => {
    const docker = engine.current;
    await docker.ok('tag', 'busybox', 'other/name:v2');
    expect((await docker.ok('images', '--format', '{{.Repository}}:{{.Tag}}')).split('\n')).toEqual(expect.arrayContaining(['busybox:latest', 'other/name:v2']));
    const archive = path.join(docker.folder, 'saved.tar');
    await docker.ok('save', '-o', archive, 'other/name:v2');
    expect(execFileSync('skopeo', ['inspect', '--config', '--raw', `docker-archive:${archive}`], { encoding: 'utf8' })).toContain('"rootfs"');
    const id = await docker.ok('inspect', '-f', '{{.Id}}', 'busybox');
    expect(await docker.ok('rmi', 'other/name:v2')).toBe('Untagged: other/name:v2');
    expect(await docker.ok('load', '-i', archive)).toBe('Loaded image: other/name:v2');
    expect(await docker.ok('inspect', '-f', '{{.Id}}', 'other/name:v2')).toBe(id);
  });

  it('are imported from a root file system', async () => {
    const docker = engine.current;
    const tar = path.join(docker.folder, 'rootfs.tar');
    execFileSync('tar', ['-C', path.join(docker.folder, 'busybox-rootfs'), '-cf', tar, '.']);
    await docker.ok('import', '--change', 'CMD ["/bin/echo","imported"]', tar, 'imported:1');
    expect(await docker.ok('run', '--rm', 'imported:1')).toBe('imported');
  });

  it('that do not exist are refused in Docker\'s words', async () => {
    const docker = engine.current;
    expect((await docker.docker('rmi', 'nothing')).stderr).toContain('No such image: nothing:latest');
    expect((await docker.docker('image', 'inspect', 'nothing')).stderr).toMatch(/No such image: nothing/);
    expect((await docker.docker('pull', `${registry.address}/absent:1`)).stderr).toMatch(/manifest for \S+absent:1 not found: manifest unknown/);
    expect((await docker.docker('pull', 'lower/UPPER')).stderr).toContain('invalid reference format');
  });

  it('with a corrupt layer are refused and leave no image, snapshot or blob in use', async () => {
    const docker = engine.current;
    execFileSync('skopeo', ['copy', '-q', '--dest-tls-verify=false', layout, `docker://${registry.address}/test/corrupt:1`]);
    const manifest = JSON.parse(execFileSync('skopeo', ['inspect', '--raw', '--tls-verify=false', `docker://${registry.address}/test/corrupt:1`], { encoding: 'utf8' })) as { layers: { digest: string }[] };
    const hex = (manifest.layers.at(-1)?.digest ?? '').slice('sha256:'.length);
    const blob = path.join(registry.storage, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data');
    const bytes = fs.readFileSync(blob);
    await docker.docker('rmi', '-f', image);
    fs.writeFileSync(blob, Buffer.from(bytes).fill(0x55, 100, 200));
    const finished = await docker.docker('pull', `${registry.address}/test/corrupt:1`);
    fs.writeFileSync(blob, bytes);
    expect(finished.code).toBe(1);
    expect(finished.stderr + finished.stdout).toMatch(/filesystem layer verification failed for digest|digest/);
    expect((await docker.docker('image', 'inspect', `${registry.address}/test/corrupt:1`)).code).toBe(1);
    await docker.ok('pull', '-q', `${registry.address}/test/corrupt:1`);
  });

  it('from a truncated or hostile archive are refused and write nothing outside', async () => {
    const docker = engine.current;
    const good = fs.readFileSync(path.join(docker.folder, 'busybox-latest.tar'));
    const truncated = path.join(docker.folder, 'truncated.tar');
    fs.writeFileSync(truncated, good.subarray(0, good.length / 2));
    expect((await docker.docker('load', '-i', truncated)).code).toBe(1);
    const rubbish = path.join(docker.folder, 'rubbish.tar');
    fs.writeFileSync(rubbish, 'this is no archive');
    expect((await docker.docker('load', '-i', rubbish)).code).toBe(1);
    const victim = path.join(docker.folder, 'victim');
    fs.mkdirSync(victim);
    const script = `
import tarfile, io, sys
t = tarfile.open(sys.argv[1], 'w')
def add(name, kind=tarfile.REGTYPE, link='', data=b'owned'):
    i = tarfile.TarInfo(name); i.type = kind; i.linkname = link; i.size = len(data) if kind == tarfile.REGTYPE else 0; t.addfile(i, io.BytesIO(data) if i.size else None)
v = sys.argv[2]
add('ok'); add('../../../../../../../../..' + v + '/up'); add('abs', tarfile.SYMTYPE, v); add('abs/through'); add(v + '/absolute')
add('rel', tarfile.SYMTYPE, '../../../../../../../../../..' + v); add('rel/through')
t.close()`;
    const tar = path.join(docker.folder, 'hostile.tar');
    execFileSync('python3', ['-c', script, tar, victim]);
    await docker.docker('import', tar, 'hostile:1');
    expect(fs.readdirSync(victim)).toEqual([]);
  });

  it('leave what other tools can read', async () => {
    const docker = engine.current;
    const archive = path.join(docker.folder, 'for-others.tar');
    await docker.ok('pull', '-q', image);
    await docker.ok('save', '-o', archive, image);
    const copied = await run('skopeo', ['copy', '-q', `docker-archive:${archive}`, `oci:${docker.folder}/copied:1`]);
    expect(copied.stderr).toBe('');
    expect(copied.code).toBe(0);
  });
});

/** The lower directories of a container's snapshot, asked of containerd by the real ctr. */
function lowerDirectories(address: string, key: string): string[] {
  const mounts = execFileSync('ctr', ['-a', address, '-n', 'moby', 'snapshots', 'mounts', '/unused', key], { encoding: 'utf8' });
  const lower = /lowerdir=([^,\s]+)/.exec(mounts)?.[1];
  if (lower === undefined) throw new Error(`no lowerdir in ${mounts}`);
  return lower.split(':');
}
