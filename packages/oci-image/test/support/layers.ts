import { encodeTarEnd, encodeTarHeader, type TarEntryOptions, tarPadding } from '../../src/tar/index.ts';

/** An entry of a test archive with its content. */
export type TestEntry = TarEntryOptions & { readonly content?: Uint8Array | string };

/** An archive of entries in the given order. */
export function tarOf(entries: readonly TestEntry[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const { content, ...entry } of entries) {
    const bytes = Buffer.from(content ?? '');
    parts.push(encodeTarHeader({ ...entry, size: entry.type === 'file' ? bytes.length : 0 }), bytes, tarPadding(bytes.length));
  }
  return Buffer.concat([...parts, encodeTarEnd()]);
}

const T = 1_600_000_000_123_456_789n;
const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex'); // cap_net_bind_service=ep

/**
 * The layers of an image with everything that is hard: see the names.
 * @param options.linksAcrossLayers hard links to files of lower layers, which dockerd 20.10 refuses
 */
export function nastyLayers(options: { readonly linksAcrossLayers?: boolean } = {}): Buffer[] {
  const across = (entry: TestEntry): TestEntry[] => (options.linksAcrossLayers === false ? [] : [entry]);
  const long = 'n'.repeat(120);
  return [
    tarOf([
      { type: 'directory', path: './', mode: 0o755, mtimeNs: T },
      { type: 'directory', path: 'etc/', mode: 0o755, mtimeNs: T + 1n },
      { type: 'file', path: 'etc/passwd', content: 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n', mtimeNs: T + 2n },
      { type: 'file', path: 'etc/group', content: 'root:x:0:\nuser:x:1000:\nwheel:x:10:user\n', mtimeNs: T + 3n },
      { type: 'directory', path: 'usr/', mtimeNs: T }, { type: 'directory', path: 'usr/bin/', mtimeNs: T + 4n },
      { type: 'symlink', path: 'bin', linkPath: 'usr/bin', mtimeNs: T + 5n },
      { type: 'file', path: 'usr/bin/tool', mode: 0o4755, uid: 0, gid: 0, content: 'tool', mtimeNs: T + 6n },
      { type: 'hardlink', path: 'usr/bin/tool-again', linkPath: 'usr/bin/tool', mode: 0o4755, mtimeNs: T + 6n },
      { type: 'file', path: 'usr/bin/ping', mode: 0o755, content: 'ping', xattrs: new Map([['security.capability', capability]]), mtimeNs: T + 7n },
      { type: 'directory', path: 'gone/', mtimeNs: T }, { type: 'file', path: 'gone/file', content: 'x', mtimeNs: T },
      { type: 'directory', path: 'opaque/', mode: 0o750, uid: 5, mtimeNs: T + 8n }, { type: 'file', path: 'opaque/old', content: 'old', mtimeNs: T },
      { type: 'directory', path: 'opaque/deep/', mtimeNs: T }, { type: 'file', path: 'opaque/deep/old', content: 'old', mtimeNs: T },
      { type: 'directory', path: 'swap/', mtimeNs: T }, { type: 'file', path: 'swap/becomes-dir', content: 'f', mtimeNs: T },
      { type: 'directory', path: 'swap/becomes-file/', mtimeNs: T }, { type: 'file', path: 'swap/becomes-file/inner', content: 'i', mtimeNs: T },
      { type: 'directory', path: 'tmp/', mode: 0o1777, mtimeNs: T + 9n },
      { type: 'directory', path: 'dev/', mtimeNs: T }, { type: 'character', path: 'dev/null', mode: 0o666, deviceMajor: 1, deviceMinor: 3, mtimeNs: T + 10n },
      { type: 'block', path: 'dev/disk', mode: 0o660, gid: 6, deviceMajor: 259, deviceMinor: 300, mtimeNs: T }, { type: 'fifo', path: 'dev/pipe', mode: 0o620, uid: 7, mtimeNs: T + 11n },
      { type: 'directory', path: `${long}/`, mode: 0o711, uid: 70_000, gid: 3_000_000, mtimeNs: T }, { type: 'directory', path: `${long}/${long}/`, mtimeNs: T }, { type: 'file', path: `${long}/${long}/${long}`, content: 'long', mtimeNs: T + 12n },
      { type: 'symlink', path: `${long}/link`, linkPath: `${long}/${long}/../${long}/${long}`, uid: 1, gid: 2, mtimeNs: T + 13n },
      { type: 'file', path: 'ünïcödé-名前', content: 'utf8', mtimeNs: T + 14n, xattrs: new Map([['user.note', Buffer.from('a\0b=c\n')]]) },
      { type: 'directory', path: 'attributes/', mtimeNs: T, xattrs: new Map([['user.color', Buffer.from('red')]]) },
      { type: 'file', path: 'empty', mode: 0, mtimeNs: 0n },
      { type: 'symlink', path: 'absolute', linkPath: '/etc', mtimeNs: T },
      { type: 'file', path: 'shared', content: 'shared', mode: 0o640, gid: 4, mtimeNs: T + 15n },
    ]),
    tarOf([
      { type: 'file', path: '.wh.gone' },
      { type: 'directory', path: 'opaque/', mode: 0o700, uid: 6, mtimeNs: T + 20n },
      { type: 'file', path: 'opaque/new', content: 'new', mtimeNs: T + 21n },
      { type: 'file', path: 'opaque/.wh..wh..opq' },
      { type: 'directory', path: 'swap/', mtimeNs: T + 22n },
      { type: 'directory', path: 'swap/becomes-dir/', mtimeNs: T + 23n }, { type: 'file', path: 'swap/becomes-dir/inner', content: 'in', mtimeNs: T },
      { type: 'file', path: 'swap/becomes-file', content: 'was a folder', mtimeNs: T + 24n },
      { type: 'directory', path: 'usr/', mtimeNs: T + 25n }, { type: 'directory', path: 'usr/bin/', mtimeNs: T + 26n }, { type: 'file', path: 'usr/bin/.wh.tool-again' },
      ...across({ type: 'hardlink', path: 'usr/bin/linked-across', linkPath: 'usr/bin/tool' }),
      { type: 'directory', path: 'etc/', mode: 0o751, mtimeNs: T + 27n }, { type: 'file', path: 'etc/added', content: 'added', mtimeNs: T + 28n },
      { type: 'directory', path: 'attributes/', mtimeNs: T + 29n, xattrs: new Map([['user.shape', Buffer.from('round')]]) },
    ]),
    tarOf([
      { type: 'file', path: 'tmp/without-folder-entry', content: 't', mtimeNs: T + 30n },
      { type: 'file', path: 'made/on/the/way', content: 'w', mtimeNs: T + 31n },
      { type: 'directory', path: 'made/', mtimeNs: T }, { type: 'directory', path: 'made/on/', mtimeNs: T }, { type: 'directory', path: 'made/on/the/', mtimeNs: T },
      ...across({ type: 'hardlink', path: 'tmp/shared-too', linkPath: '/shared' }),
      { type: 'file', path: 'swap/becomes-dir/.wh.inner' },
      { type: 'file', path: 'bin/through-link', content: 'through', mtimeNs: T + 32n },
      { type: 'file', path: 'absolute/through-absolute', content: 'through', mtimeNs: T + 33n },
    ]),
  ];
}
