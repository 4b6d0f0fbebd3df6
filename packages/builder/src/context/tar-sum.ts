/**
 * The checksums by which the classic builder knows copied files again: sha256 over what a tar header says of the file, its time left out, and over its content.
 * History shows them, so the very bytes matter.
 *
 * @see moby's tarsum specification, version 1
 */
import { createHash } from 'node:crypto';
import { createReadStream, readFileSync, readlinkSync, type Stats } from 'node:fs';
import { posix } from 'node:path';
import { encodeName, readTar, type TarEntryType, type TarHeader } from '@dray/oci-image';

type SummedHeader = Pick<TarHeader, 'type' | 'path' | 'linkPath' | 'mode' | 'uid' | 'gid' | 'size' | 'userName' | 'groupName' | 'deviceMajor' | 'deviceMinor' | 'xattrs'>;

const TYPE_FLAG: Readonly<Record<TarEntryType, string>> = { file: '0', hardlink: '1', symlink: '2', character: '3', block: '4', directory: '5', fifo: '6' };

/** Read once: names of the machine do not change while the daemon runs. */
const accounts = new Map<string, ReadonlyMap<string, string>>();

/** The checksum of one file. */
export async function sumFile(header: SummedHeader, content: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  const fields: [string, string | number][] = [
    ['name', header.path], ['mode', header.mode], ['uid', header.uid], ['gid', header.gid], ['size', header.size], ['typeflag', TYPE_FLAG[header.type]],
    ['linkname', header.linkPath], ['uname', header.userName], ['gname', header.groupName], ['devmajor', header.deviceMajor], ['devminor', header.deviceMinor],
  ];
  for (const [key, value] of fields) hash.update(key).update(encodeName(String(value)));
  for (const [key, value] of [...header.xattrs].sort(([a], [b]) => a < b ? -1 : 1)) hash.update(key).update(value);
  for await (const chunk of content) hash.update(chunk);
  return hash.digest('hex');
}

/** The checksums of all files of a tar, by their cleaned paths. */
export async function sumArchive(archive: AsyncIterable<Uint8Array>): Promise<Map<string, string>> {
  const sums = new Map<string, string>();
  for await (const { header, body } of readTar(archive)) sums.set(posix.join('/', header.path).replace(/\/$/, '').slice(1), await sumFile(header, body));
  return sums;
}

/**
 * The checksum of a file on disk, as if it stood in a tar under the name `path`. The original's has the whole mode, type included, and the names that this machine
 * (not the image) has for the owners.
 */
export async function sumOnDisk(hostPath: string, path: string, stat: Stats): Promise<string> {
  const isFile = stat.isFile();
  const type: TarEntryType = isFile ? 'file' : stat.isDirectory() ? 'directory' : stat.isSymbolicLink() ? 'symlink' : stat.isFIFO() ? 'fifo' : stat.isBlockDevice() ? 'block' : 'character';
  const isDevice = type === 'block' || type === 'character';
  return sumFile({
    type, path: type === 'directory' ? `${path}/` : path, linkPath: type === 'symlink' ? readlinkSync(hostPath) : '', mode: stat.mode, uid: stat.uid, gid: stat.gid,
    size: isFile ? stat.size : 0, userName: nameOnHost('/etc/passwd', stat.uid), groupName: nameOnHost('/etc/group', stat.gid), deviceMajor: isDevice ? (stat.rdev >> 8) & 0xfff : 0, deviceMinor: isDevice ? (stat.rdev & 0xff) | ((stat.rdev >> 12) & 0xfff00) : 0, xattrs: new Map(),
  }, isFile && stat.size > 0 ? createReadStream(hostPath) : nothing());
}

/** What this machine calls a number; empty where it has no name. */
function nameOnHost(file: string, id: number): string {
  return accountsOf(file).get(String(id)) ?? '';
}

function accountsOf(file: string): ReadonlyMap<string, string> {
  const known = accounts.get(file);
  if (known !== undefined) return known;
  const names = new Map<string, string>();
  try {
    for (const [name = '', , id = ''] of readFileSync(file, 'utf8').split('\n').map((line) => line.split(':'))) if (!names.has(id)) names.set(id, name);
  } catch { /* a machine without accounts has no names */ }
  accounts.set(file, names);
  return names;
}

async function* nothing(): AsyncGenerator<Uint8Array, void, void> { /* no content */ }
