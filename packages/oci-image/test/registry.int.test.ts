import { execFileSync } from 'node:child_process';
import { createServer, connect, type Server, type Socket } from 'node:net';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type ContainerDefaults, decompress, type Digest, digestOf, FileContentStore, importRootfs, LayoutFolder, loadArchive, loadedMessages, type PullEvent, parseReference, pull, push, RegistryClient, saveArchive, unpackBundle, withTag,
} from '../src/index.ts';
import { nastyLayers, tarOf } from './support/layers.ts';
import { writeLayout } from './support/layout.ts';
import { execute, missing, scratchFolder, startRegistry, suiteName } from './support/tools.ts';
import { describeTree } from './support/tree.ts';

const PEER_SOCKET = process.env['DRAY_PEER_DOCKER'] ?? '';
const reason = missing('docker-registry', 'skopeo', 'umoci');
const peerReason = reason !== '' ? reason : process.env['DRAY_PEER_DOCKER'] !== undefined ? missing('docker') : 'needs DRAY_PEER_DOCKER=<socket of a dockerd to compare with>';

let registry: Awaited<ReturnType<typeof startRegistry>>;
let scratch: Awaited<ReturnType<typeof scratchFolder>>;
let client: RegistryClient;
let count = 0;

const fresh = (): string => {
  count += 1;
  return join(scratch.path, `n${count}`);
};
const store = (): FileContentStore => new FileContentStore({ root: fresh() });
const named = (name: string): ReturnType<typeof parseReference> => parseReference(`${registry.host}/${name}`);
const skopeo = async (...args: readonly string[]): Promise<string> => await execute('skopeo', args);
const copyIn = async (layout: string, name: string, ...options: readonly string[]): Promise<string> =>
  await skopeo('copy', '--insecure-policy', '--dest-tls-verify=false', ...options, `oci:${layout}:latest`, `docker://${registry.host}/${name}`);
async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, void> {
  for (let position = 0; position < bytes.byteLength; position += 50_000) yield await Promise.resolve(bytes.subarray(position, position + 50_000));
}
const collect = async (source: AsyncIterable<Uint8Array>): Promise<Buffer> => Buffer.concat(await Array.fromAsync(source));

/** busybox and what belongs to it, as one layer. */
function busyboxLayer(): Buffer {
  const busybox = existsSync('/bin/busybox') ? execFileSync('cat', ['/bin/busybox'], { maxBuffer: 1e8 }) : Buffer.from('#!/bin/false\n');
  return tarOf([
    { type: 'directory', path: 'bin/' }, { type: 'file', path: 'bin/busybox', mode: 0o755, content: busybox }, { type: 'symlink', path: 'bin/sh', linkPath: 'busybox' },
    { type: 'directory', path: 'etc/' }, { type: 'file', path: 'etc/passwd', content: 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n' },
  ]);
}

describe.skipIf(reason !== '')(suiteName('a real registry', reason), () => {
  const layers = nastyLayers({ linksAcrossLayers: false });
  let layout = '';

  beforeAll(async () => {
    registry = await startRegistry();
    scratch = await scratchFolder();
    client = new RegistryClient();
    layout = fresh();
    writeLayout(layout, { layers });
    await copyIn(layout, 'nasty:oci');
    await copyIn(layout, 'nasty:v2s2', '--format', 'v2s2');
  });
  afterAll(async () => {
    await client.close();
    await registry[Symbol.asyncDispose]();
    await scratch[Symbol.asyncDispose]();
  });

  test.each(['oci', 'v2s2'])('gives the image that skopeo pushed as %s, in the order of events that docker shows', async (tag) => {
    const content = store();
    const events: PullEvent[] = [];
    const image = await pull({ reference: named(`nasty:${tag}`), registry: client, content, onProgress: (event) => events.push(event) });
    const inspected = JSON.parse(await skopeo('inspect', '--tls-verify=false', `docker://${registry.host}/nasty:${tag}`)) as { Digest: string; Layers: string[] };
    expect(image.descriptor.digest).toBe(inspected.Digest);
    expect(image.manifest.layers.map(({ digest }) => digest)).toEqual(inspected.Layers);
    expect(events[0]?.type).toBe('resolved');
    expect(events.at(-1)).toMatchObject({ type: 'complete', isNew: true });
    for (const index of layers.keys()) {
      const statuses = events.flatMap((event) => (event.type === 'layer' && event.index === index ? [event.progress.status] : []));
      expect(statuses.filter((status) => status !== 'waiting')).toEqual(['pulling_fs_layer', 'downloading', 'verifying', 'download_complete', 'pull_complete']);
    }
    const again: PullEvent[] = [];
    await pull({ reference: named(`nasty:${tag}`), registry: client, content, onProgress: (event) => again.push(event) });
    expect(again.at(-1)).toMatchObject({ type: 'complete', isNew: false });
    expect(again.filter((event) => event.type === 'layer' && event.progress.status === 'already_exists')).toHaveLength(layers.length);
  });

  test('labels what it stores as containerd does, so that garbage collection keeps it', async () => {
    const labels = new Map<Digest, Readonly<Record<string, string>>>();
    const content = new FileContentStore({
      root: fresh(),
      labels: { get: async (digest) => await Promise.resolve(labels.get(digest) ?? {}), set: async (digest, value) => { await Promise.resolve(labels.set(digest, value)); }, delete: async () => { await Promise.resolve(); } },
    });
    const image = await pull({ reference: named('nasty:oci'), registry: client, content });
    const source = { [`containerd.io/distribution.source.${registry.host}`]: 'nasty' };
    expect(labels.get(image.descriptor.digest)).toEqual({
      ...source, 'containerd.io/gc.ref.content.config': image.manifest.config.digest,
      ...Object.fromEntries(image.manifest.layers.map(({ digest }, index) => [`containerd.io/gc.ref.content.l.${index}`, digest])),
    });
    for (const { digest } of [...image.manifest.layers, image.manifest.config]) expect(labels.get(digest)).toEqual(source);
  });

  test('unpacks to the tree that umoci unpacks, and to a bundle with the image\'s process', async () => {
    const content = store();
    const image = await pull({ reference: named('nasty:oci'), registry: client, content });
    const bundle = fresh();
    const spec = await unpackBundle({ image, content, bundle, request: { user: 'user', command: ['id'] } });
    const theirs = fresh();
    await execute('umoci', ['unpack', '--image', `${layout}:latest`, theirs]);
    const withoutRootTime = (lines: readonly string[]): string[] => lines.map((line) => (line.startsWith('. ') ? '.' : line.replace(/(directory 755 0:0) {2}179\d{16}/, '$1 now')));
    expect(withoutRootTime(describeTree(join(bundle, 'rootfs')))).toEqual(withoutRootTime(describeTree(join(theirs, 'rootfs'))));
    expect(spec).toMatchObject({ process: { args: ['id'], user: { uid: 1000, gid: 1000, additionalGids: [1000, 10] }, cwd: '/' } });
    await expect(unpackBundle({ image, content, bundle })).rejects.toMatchObject({ kind: 'already_exists' });
  });

  test('leaves no bundle behind when a layer is not what the configuration says', async () => {
    const content = store();
    const image = await pull({ reference: named('nasty:oci'), registry: client, content });
    const [first] = image.config.rootfs.diff_ids;
    const config = { ...image.config, rootfs: { type: 'layers' as const, diff_ids: image.config.rootfs.diff_ids.map(() => first ?? ('sha256:' as Digest)) } };
    const bundle = fresh();
    await expect(unpackBundle({ image: { ...image, config }, content, bundle })).rejects.toMatchObject({ code: 'DIFF_ID_MISMATCH' });
    expect(existsSync(bundle)).toBe(false);
  });

  test('chooses from an index, and says what it does not have', async () => {
    const image = await pull({ reference: named('nasty:oci'), registry: client, content: store() });
    const platform = (architecture: string, descriptor = image.manifestDescriptor): unknown => ({ mediaType: descriptor.mediaType, digest: descriptor.digest, size: descriptor.size, platform: { os: 'linux', architecture } });
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests: [platform('amd64')] }));
    await client.pushManifest(withTag(named('nasty'), 'multi'), { bytes, mediaType: 'application/vnd.oci.image.index.v1+json' });
    const chosen = await pull({ reference: named('nasty:multi'), registry: client, content: store(), platform: { os: 'linux', architecture: 'amd64' } });
    expect(chosen.manifestDescriptor.digest).toBe(image.manifestDescriptor.digest);
    expect(chosen.descriptor.mediaType).toContain('index');
    await expect(pull({ reference: named('nasty:multi'), registry: client, content: store(), platform: { os: 'linux', architecture: 's390x' } })).rejects.toThrow('no matching manifest for linux/s390x in the manifest list entries');
    await expect(pull({ reference: named('nasty:oci'), registry: client, content: store(), platform: { os: 'linux', architecture: 'arm64' } })).rejects.toThrow('does not match the specified platform: wanted linux/arm64, actual: linux/amd64');
  });

  test('takes what we push: skopeo reads it, a second push sends nothing, another repository mounts', async () => {
    const content = new FileContentStore({ root: fresh(), labels: memoryLabels() });
    const image = await pull({ reference: named('nasty:oci'), registry: client, content });
    const statuses = async (name: string): Promise<string[]> => {
      const seen: string[] = [];
      await push({ reference: named(name), registry: client, content, descriptor: image.descriptor, onProgress: (event) => { if (event.type === 'blob' && event.status !== 'preparing' && event.status !== 'pushing') seen.push(event.status); } });
      return [...new Set(seen)];
    };
    expect(await statuses('mounted/here:1')).toEqual(['mounted']);
    expect(await statuses('mounted/here:2')).toEqual(['exists']);
    expect(JSON.parse(await skopeo('inspect', '--tls-verify=false', `docker://${registry.host}/mounted/here:2`))).toMatchObject({ Digest: image.descriptor.digest });
    const imported = await importRootfs({ source: chunksOf(busyboxLayer()), content, defaults: { Cmd: ['sh'] } });
    expect((await push({ reference: named('imported:1'), registry: client, content, descriptor: imported.descriptor })).digest).toBe(imported.descriptor.digest);
    expect(JSON.parse(await skopeo('inspect', '--tls-verify=false', `docker://${registry.host}/imported:1`))).toMatchObject({ Layers: imported.manifest.layers.map(({ digest }) => digest) });
    expect((await Array.fromAsync(client.listTags(named('mounted/here'), { pageSize: 1 }))).sort()).toEqual(['1', '2']);
  });

  test('ends in a correct pull though every connection is cut after a random number of bytes', async () => {
    const layer = tarOf([{ type: 'file', path: 'noise', content: randomBytes(3_000_000) }, { type: 'file', path: 'more', content: randomBytes(1_000_000) }]);
    const folder = fresh();
    writeLayout(folder, { layers: [layer, busyboxLayer()], compression: 'none' });
    await copyIn(folder, 'big:1');
    const [host = '', port = ''] = registry.host.split(':');
    const proxy = await cuttingProxy(host, Number(port));
    await using cut = new RegistryClient({ retry: { attemptsMax: 60, delayMs: 1, sleep: async () => { await Promise.resolve(); } } });
    try {
      const content = store();
      const image = await pull({ reference: parseReference(`${proxy.host}/big:1`), registry: cut, content });
      const pulled = await collect(decompress(content.read(image.manifest.layers[0]?.digest ?? ('' as Digest)))); // skopeo compresses what it pushes.
      expect(digestOf(pulled)).toBe(digestOf(layer));
      expect(proxy.cuts).toBeGreaterThan(5);
      expect(await Array.fromAsync(content.listIngests())).toEqual([]);
    } finally {
      await proxy.close();
    }
  }, 60_000);

  test('goes on with what an aborted pull has left', async () => {
    const content = store();
    const controller = new AbortController();
    const half = { ...named('big:1') };
    const reason_ = new Error('enough');
    const onProgress = (event: PullEvent): void => { if (event.type === 'layer' && event.progress.status === 'downloading') controller.abort(reason_); };
    await expect(pull({ reference: half, registry: client, content, onProgress, signal: controller.signal })).rejects.toBe(reason_);
    const left = (await Array.fromAsync(content.listIngests())).map(({ offset }) => offset);
    expect(left.some((offset) => offset > 0)).toBe(true);
    await pull({ reference: half, registry: client, content });
    expect(await Array.fromAsync(content.listIngests())).toEqual([]);
  });

  test('keeps nothing of a blob that is not what its digest says', async () => {
    const image = await pull({ reference: named('nasty:oci'), registry: client, content: store() });
    const content = store();
    const lying = { fetchManifest: client.fetchManifest.bind(client), fetchBlob: () => chunksOf(Buffer.alloc(image.manifest.config.size)) };
    await expect(pull({ reference: named('nasty:oci'), registry: lying, content })).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
    expect(await Array.fromAsync(content.list())).toEqual([]);
    expect(await Array.fromAsync(content.listIngests())).toEqual([]);
  });

  test('two pulls of one image at the same time share their blobs', async () => {
    const content = store();
    const [first, second] = await Promise.all([pull({ reference: named('nasty:oci'), registry: client, content }), pull({ reference: named('nasty:v2s2'), registry: client, content })]);
    expect(first.manifest.config.digest).toBe(second.manifest.config.digest);
    expect(await Array.fromAsync(content.listIngests())).toEqual([]);
  });
});

describe.skipIf(reason !== '')(suiteName('archives', reason), () => {
  beforeAll(async () => { scratch = await scratchFolder(); });
  afterAll(async () => { await scratch[Symbol.asyncDispose](); });
  const defaults: ContainerDefaults = { Cmd: ['/bin/sh'], Env: ['PATH=/bin'] };

  async function savedBy(format: 'docker-archive' | 'oci-archive'): Promise<{ readonly archive: Buffer; readonly id: string }> {
    const layout = fresh();
    const { manifest } = writeLayout(layout, { layers: [...nastyLayers({ linksAcrossLayers: false }), busyboxLayer()], defaults });
    const path = fresh();
    await skopeo('copy', '--insecure-policy', `oci:${layout}:latest`, `${format}:${path}:docker.io/library/saved:1`);
    return { archive: execFileSync('cat', [path], { maxBuffer: 1e9 }), id: manifest.config.digest };
  }

  test.each(['docker-archive', 'oci-archive'] as const)('loads what skopeo writes as %s: the id is the same', async (format) => {
    const { archive, id } = await savedBy(format);
    const content = store();
    const loaded = await loadArchive({ source: chunksOf(archive), content });
    expect(loaded.map(({ image }) => image.manifest.config.digest)).toEqual([id]);
    expect(loaded.flatMap(loadedMessages)).toEqual(['Loaded image: saved:1']);
    expect((await Array.fromAsync(content.list())).map(({ digest }) => digest).sort())
      .toEqual([...new Set(loaded.flatMap(({ image }) => [image.descriptor, image.manifest.config, ...image.manifest.layers]).map(({ digest }) => digest))].sort());
  });

  test('saves what skopeo reads, always with the same bytes', async () => {
    const { archive, id } = await savedBy('docker-archive');
    const content = store();
    const images = (await loadArchive({ source: chunksOf(archive), content }));
    const saved = await collect(saveArchive({ content, images }));
    expect(await collect(saveArchive({ content, images }))).toEqual(saved);
    const path = fresh();
    writeFileSync(path, saved);
    const inspected = JSON.parse(await skopeo('inspect', '--raw', `docker-archive:${path}:docker.io/library/saved:1`)) as { config: { digest: string } };
    expect(inspected.config.digest).toBe(id);
    expect(await loadArchive({ source: chunksOf(saved), content: store() })).toEqual(images.map(({ image, names }) => ({ image: { ...image }, names })));
  });

  test('loads an old archive whose layers are links', async () => {
    const layer = busyboxLayer();
    const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [digestOf(layer), digestOf(layer)] } }));
    const name = digestOf(config).slice(7);
    const manifest = JSON.stringify([{ Config: `${name}.json`, RepoTags: null, Layers: ['a/layer.tar', 'b/layer.tar'] }]);
    const archive = tarOf([
      { type: 'file', path: 'a/VERSION', content: '1.0' }, { type: 'file', path: 'a/json', content: '{}' }, { type: 'file', path: 'a/layer.tar', content: layer }, { type: 'symlink', path: 'b/layer.tar', linkPath: '../a/layer.tar' },
      { type: 'file', path: `${name}.json`, content: config }, { type: 'file', path: 'manifest.json', content: manifest },
    ]);
    const [loaded] = await loadArchive({ source: chunksOf(archive), content: store() });
    expect(loaded === undefined ? [] : loadedMessages(loaded)).toEqual([`Loaded image ID: sha256:${name}`]);
  });

  test('refuses bad archives and keeps nothing of them', async () => {
    const { archive } = await savedBy('docker-archive');
    const layer = tarOf([{ type: 'file', path: 'f' }]);
    const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [digestOf('another')] } }));
    const made = (manifest: unknown): Buffer => tarOf([{ type: 'file', path: 'layer.tar', content: layer }, { type: 'file', path: 'config.json', content: config }, { type: 'file', path: 'manifest.json', content: JSON.stringify(manifest) }]);
    const entry = { Config: 'config.json', RepoTags: ['x:y'], Layers: ['layer.tar'] };
    const cases: [string, Buffer, unknown][] = [
      ['cut', archive.subarray(0, archive.length - 4000), { code: 'TAR_TRUNCATED', message: 'unexpected EOF' }],
      ['no tar', Buffer.from('this is no archive'.repeat(100)), { code: 'TAR_INVALID' }],
      ['empty', tarOf([]), { code: 'ARCHIVE_INVALID', message: 'invalid archive: does not contain a manifest.json' }],
      ['null manifest', made(null), { code: 'ARCHIVE_INVALID', message: 'invalid manifest, manifest cannot be null (but can be [])' }],
      ['wrong diff id', made([entry]), { code: 'DIFF_ID_MISMATCH' }],
      ['missing layer', made([{ ...entry, Layers: ['nowhere.tar'] }]), { code: 'ARCHIVE_INVALID' }],
      ['layer count', made([{ ...entry, Layers: [] }]), { code: 'ARCHIVE_INVALID', message: 'invalid manifest, layers length mismatch: expected 0, got 1' }],
      ['path that leads out', made([{ ...entry, Config: '../../etc/passwd' }]), { code: 'ARCHIVE_UNSAFE' }],
      ['entry that leads out', tarOf([{ type: 'file', path: '../../x', content: 'x' }]), { code: 'ARCHIVE_UNSAFE' }],
      ['link that leads out', tarOf([{ type: 'symlink', path: 'layer.tar', linkPath: '../../../etc/shadow' }]), { code: 'ARCHIVE_UNSAFE' }],
      ['loop of links', Buffer.from(tarOf([{ type: 'symlink', path: 'layer.tar', linkPath: 'config.json' }, { type: 'symlink', path: 'config.json', linkPath: 'layer.tar' }, { type: 'file', path: 'manifest.json', content: JSON.stringify([entry]) }])), { code: 'ARCHIVE_INVALID' }],
      ['blob under a wrong name', tarOf([{ type: 'file', path: `blobs/sha256/${'a'.repeat(64)}`, content: 'x' }]), { code: 'DIGEST_MISMATCH' }],
      ['bad name', made([{ ...entry, RepoTags: ['Bad/Name'] }]), { code: 'INVALID_REFERENCE' }],
    ];
    for (const [name, bytes, expected] of cases) {
      const root = fresh();
      const content = new FileContentStore({ root });
      await expect(loadArchive({ source: chunksOf(bytes), content }), name).rejects.toMatchObject(expected as object);
      expect([name, await Array.fromAsync(content.list()), await Array.fromAsync(content.listIngests())]).toEqual([name, [], []]);
    }
  });

  test('imports a root file system as an image of one layer', async () => {
    const content = store();
    const layer = busyboxLayer();
    const image = await importRootfs({ source: chunksOf(layer), content, defaults, message: 'made', created: new Date(0) });
    expect(image.config).toMatchObject({ created: '1970-01-01T00:00:00.000Z', comment: 'made', rootfs: { diff_ids: [digestOf(layer)] }, config: defaults });
    await expect(importRootfs({ source: chunksOf(layer.subarray(0, 600)), content: store() })).rejects.toMatchObject({ code: 'TAR_TRUNCATED' });
  });

  test('keeps an OCI layout that umoci and skopeo read', async () => {
    const path = fresh();
    const layout = await LayoutFolder.open(path, { create: true });
    const image = await importRootfs({ source: chunksOf(busyboxLayer()), content: layout.content, defaults });
    await layout.tag('one', image.descriptor);
    await layout.tag('one', image.descriptor);
    expect(JSON.parse(await skopeo('inspect', `oci:${path}:one`))).toMatchObject({ Digest: image.descriptor.digest });
    const bundle = fresh();
    await execute('umoci', ['unpack', '--image', `${path}:one`, bundle]);
    expect(readdirSync(join(bundle, 'rootfs')).sort()).toEqual(['bin', 'etc']);
    await expect(LayoutFolder.open(fresh())).rejects.toMatchObject({ kind: 'not_found' });
    await expect(layout.find('two')).rejects.toMatchObject({ code: 'MANIFEST_UNKNOWN' });
  });
});

describe.skipIf(peerReason !== '')(suiteName('dockerd beside us', peerReason), () => {
  const docker = (...args: readonly string[]): string => execFileSync('docker', ['-H', `unix://${PEER_SOCKET}`, ...args], { maxBuffer: 1e9, stdio: ['pipe', 'pipe', 'pipe'] }).toString().trim();
  beforeAll(async () => {
    registry = await startRegistry();
    scratch = await scratchFolder();
    client = new RegistryClient();
    const layout = fresh();
    writeLayout(layout, { layers: [busyboxLayer(), ...nastyLayers({ linksAcrossLayers: false })] });
    await copyIn(layout, 'compared:1', '--format', 'v2s2');
  });
  afterAll(async () => {
    await client.close();
    await registry[Symbol.asyncDispose]();
    await scratch[Symbol.asyncDispose]();
  });

  test('has the same image id after the same pull, loads what we save and saves what we load', async () => {
    const name = `${registry.host}/compared:1`;
    const content = store();
    const image = await pull({ reference: parseReference(name), registry: client, content });
    docker('pull', '-q', name);
    try {
      expect(docker('image', 'inspect', '-f', '{{.Id}}', name)).toBe(image.manifest.config.digest);
      const theirs = execFileSync('docker', ['-H', `unix://${PEER_SOCKET}`, 'save', name], { maxBuffer: 1e9 });
      const [loaded] = await loadArchive({ source: chunksOf(theirs), content: store() });
      expect(loaded?.image.manifest.config.digest).toBe(image.manifest.config.digest);
      expect(loaded?.names).toEqual([name]);
      docker('rmi', name);
      const ours = fresh();
      writeFileSync(ours, await collect(saveArchive({ content, images: [{ image, names: [name] }] })));
      expect(docker('load', '-q', '-i', ours)).toBe(`Loaded image: ${name}`);
      expect(docker('image', 'inspect', '-f', '{{.Id}}', name)).toBe(image.manifest.config.digest);
      docker('rmi', name);
      await push({ reference: named('pushed:1'), registry: client, content, descriptor: image.descriptor });
      docker('pull', '-q', `${registry.host}/pushed:1`);
      expect(docker('image', 'inspect', '-f', '{{.Id}}', `${registry.host}/pushed:1`)).toBe(image.manifest.config.digest);
      docker('rmi', `${registry.host}/pushed:1`);
    } finally {
      execFileSync('sh', ['-c', `docker -H unix://${PEER_SOCKET} rmi -f ${name} ${registry.host}/pushed:1 >/dev/null 2>&1 || true`]);
    }
  }, 60_000);
});

function memoryLabels(): NonNullable<ConstructorParameters<typeof FileContentStore>[0]['labels']> {
  const labels = new Map<Digest, Readonly<Record<string, string>>>();
  return { get: async (digest) => await Promise.resolve(labels.get(digest) ?? {}), set: async (digest, value) => { await Promise.resolve(labels.set(digest, value)); }, delete: async (digest) => { await Promise.resolve(labels.delete(digest)); } };
}

/** Passes connections on and cuts most of them after some bytes of the answer. */
async function cuttingProxy(host: string, port: number): Promise<{ readonly host: string; readonly cuts: number; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  let cuts = 0;
  const server: Server = createServer((incoming) => {
    const outgoing = connect(port, host);
    let left = 1 + Math.floor(Math.random() * 600_000);
    for (const socket of [incoming, outgoing]) {
      sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => { incoming.destroy(); outgoing.destroy(); sockets.delete(socket); });
    }
    incoming.pipe(outgoing);
    outgoing.on('data', (chunk: Buffer) => {
      left -= chunk.length;
      if (left > 0) incoming.write(chunk);
      else incoming.write(chunk.subarray(0, Math.max(0, chunk.length + left)), () => { cuts += 1; incoming.destroy(); });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    host: `127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`,
    get cuts() { return cuts; },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
