/** `X-Docker-Container-Path-Stat`: what a path of a container is. */
import { lstat } from 'node:fs/promises';
import { basename } from 'node:path';
import { invalid, notFound } from '../../errors.ts';
import { resolveInRoot } from '../rootfs/resolve-in-root.ts';

/** The header's document. */
export interface PathStat {
  name: string;
  size: number;
  /** A Go FileMode. */
  mode: number;
  mtime: string;
  linkTarget: string;
}

/** A path of a container that exists. */
export interface ContainerPath {
  /** Where it leads inside the root, links before the last name resolved; the last as well where the path ends with a slash or a dot. */
  readonly innerPath: string;
  readonly stat: PathStat;
  readonly isDirectory: boolean;
  /** What the path is called in an archive: its last name as the client wrote it. */
  readonly archiveName: string;
}

const GO_MODE: Readonly<Record<number, number>> = {
  0o040000: 2 ** 31, 0o120000: 2 ** 27, 0o060000: 2 ** 26, 0o020000: 2 ** 26 + 2 ** 21, 0o010000: 2 ** 25, 0o140000: 2 ** 24,
};

/** Go's FileMode of a `st_mode`. */
export function goFileMode(mode: number): number {
  const special = (mode & 0o4000 ? 2 ** 23 : 0) + (mode & 0o2000 ? 2 ** 22 : 0) + (mode & 0o1000 ? 2 ** 20 : 0);
  return (mode & 0o777) + special + (GO_MODE[mode & 0o170000] ?? 0);
}

/** Looks a path up. @throws EngineApiError `invalid_argument` when it is empty, `not_found` with Docker's words */
export async function statContainerPath(root: string, path: string, containerName: string): Promise<ContainerPath> {
  if (path === '') throw invalid('bad parameter: path cannot be empty', 'EMPTY_PATH');
  const absolute = path.startsWith('/') ? path : `/${path}`;
  const endsInFolder = /\/\.?$/.test(absolute);
  const place = await resolveInRoot(root, absolute, { followLast: endsInFolder });
  const missing = (): Error => notFound(`Could not find the file ${path} in container ${containerName}`, 'NO_SUCH_PATH');
  if (!place.exists) throw missing();
  const info = await lstat(place.innerPath === '/' ? `${root}/.` : place.hostPath, { bigint: true }).catch(() => { throw missing(); });
  const isDirectory = info.isDirectory();
  if (endsInFolder && !isDirectory) throw missing();
  const archiveName = absolute.endsWith('/.') ? '.' : basename(absolute) || '/';
  const linkTarget = info.isSymbolicLink() ? (await resolveInRoot(root, absolute)).innerPath : '';
  const mtime = nanoTime(info.mtimeNs);
  return { innerPath: place.innerPath, isDirectory, archiveName, stat: { name: archiveName, size: Number(info.size), mode: goFileMode(Number(info.mode)), mtime, linkTarget } };
}

function nanoTime(nanos: bigint): string {
  const seconds = nanos / 1_000_000_000n;
  const fraction = String(nanos % 1_000_000_000n).padStart(9, '0').replace(/0+$/, '');
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}${fraction === '' ? '' : `.${fraction}`}Z`;
}

/** The header's value. */
export function encodePathStat(stat: PathStat): string {
  return Buffer.from(JSON.stringify(stat)).toString('base64');
}

