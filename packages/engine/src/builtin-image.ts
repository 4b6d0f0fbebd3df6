import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { Readable } from 'node:stream';
import { encodeTarEnd, encodeTarHeader, tarPadding } from '@dray/oci-image';

const GO_ARCHITECTURE: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };
/** What the program does under other names. */
const APPLETS = ['cat', 'echo', 'env', 'false', 'hostname', 'id', 'ls', 'ps', 'sleep', 'true'];
/** The image is the same whenever it is made. */
const CREATED = '2026-01-01T00:00:00Z';

/**
 * The built-in image as a `docker save` archive: one layer with one static program, `/hello`, which prints where it runs. Made in memory, so that no network is
 * needed.
 * @param program the static program
 * @param name the image's name
 */
export function builtinImageArchive(program: string, name: string): Readable {
  const layer = archive([
    { path: 'bin/', mode: 0o755 },
    ...APPLETS.map((name) => ({ path: `bin/${name}`, mode: 0o777, link: '/hello' })),
    { path: 'etc/', mode: 0o755 },
    { path: 'etc/passwd', mode: 0o644, content: Buffer.from('root:x:0:0:root:/:/hello\n') },
    { path: 'etc/group', mode: 0o644, content: Buffer.from('root:x:0:\n') },
    { path: 'hello', mode: 0o755, content: fs.readFileSync(program) },
    { path: 'tmp/', mode: 0o1777 },
  ]);
  const config = Buffer.from(JSON.stringify({
    architecture: GO_ARCHITECTURE[process.arch] ?? process.arch, os: 'linux', created: CREATED, config: { Cmd: ['/hello'], Env: ['PATH=/bin:/'], WorkingDir: '/', Labels: { 'io.dray.builtin': 'true' } },
    rootfs: { type: 'layers', diff_ids: [sha256(layer)] }, history: [{ created: CREATED, created_by: 'dray-engine: COPY hello /' }],
  }));
  const configName = `${sha256(config).slice('sha256:'.length)}.json`;
  const manifest = Buffer.from(JSON.stringify([{ Config: configName, RepoTags: [name], Layers: ['layer.tar'] }]));
  return Readable.from([archive([{ path: 'manifest.json', mode: 0o644, content: manifest }, { path: configName, mode: 0o644, content: config }, { path: 'layer.tar', mode: 0o644, content: layer }])], { objectMode: false });
}

interface Entry { readonly path: string; readonly mode: number; readonly content?: Buffer; readonly link?: string }

function archive(entries: readonly Entry[]): Buffer {
  const parts = entries.flatMap(({ path, mode, content, link }) => [
    encodeTarHeader({ type: link !== undefined ? 'symlink' : content === undefined ? 'directory' : 'file', path, mode, linkPath: link ?? '', size: content?.length ?? 0 }), content ?? Buffer.alloc(0), tarPadding(content?.length ?? 0),
  ]);
  return Buffer.concat([...parts, encodeTarEnd()]);
}

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
