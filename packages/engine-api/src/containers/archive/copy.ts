/** Files into and out of containers. */
import { lstat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { applyLayer, decompress, packTree } from '@dray/oci-image';
import { EngineApiError, errorKind, invalid, messageOf } from '../../errors.ts';
import type { Container } from '../lifecycle/container.ts';
import type { Engine } from '../lifecycle/engine.ts';
import { resolveInRoot } from '../rootfs/resolve-in-root.ts';
import { resolveUser } from '../users/passwd.ts';
import { readAccounts } from '../users/read-accounts.ts';
import { withContainerRoot, withRootOnly } from './archive-root.ts';
import { statContainerPath, type PathStat } from './path-stat.ts';
import { giveTo, moveEntries, nameFromRoot, type EntryCheck } from './rebase-tar.ts';

/** What a path is. `name` is the container as the client wrote it. @throws EngineApiError `not_found` */
export function statPath(engine: Engine, container: Container, path: string, name: string): Promise<PathStat> {
  return withContainerRoot(engine, container, async (root) => (await statContainerPath(root, path, name)).stat);
}

/** Gives a path's stat, then its archive; resolves when that was taken. @throws EngineApiError `not_found` before anything was given */
export async function copyOut(
  engine: Engine, container: Container, request: { path: string; name: string; signal: AbortSignal }, give: (stat: PathStat, archive: AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<void> {
  const isWhole = /^[/.]*$/.test(request.path) && request.path !== '';
  const withRoot = isWhole && container.run ? withRootOnly : withContainerRoot; // the process's own view of / holds /proc and /sys
  await withRoot(engine, container, async (root) => {
    const place = await statContainerPath(root, request.path, request.name);
    const { signal } = request;
    if (place.innerPath !== '/') return give(place.stat, packTree({ root, path: place.innerPath, name: place.archiveName, signal }));
    if (place.archiveName === '.') return give(place.stat, packTree({ root, name: '.', signal }));
    return give(place.stat, nameFromRoot(packTree({ root, includeRoot: true, signal })));
  });
}

/** How to copy in. */
export interface CopyInRequest {
  /** An existing folder. */
  readonly path: string;
  readonly name: string;
  /** Refuse to put a file where a folder is, and the other way round. */
  readonly keepsKinds: boolean;
  /** Give everything to the container's user. */
  readonly takesUser: boolean;
  readonly archive: Readable;
  readonly signal: AbortSignal;
}

/** Unpacks an archive below a folder. What was unpacked before a failure stays. @throws EngineApiError */
export async function copyIn(engine: Engine, container: Container, request: CopyInRequest): Promise<void> {
  await withContainerRoot(engine, container, async (root) => {
    const folder = await targetFolder(root, request);
    refuseReadonly(container, folder);
    const owner = request.takesUser ? await ownerOf(container, root) : undefined;
    const entries = moveEntries(decompress(request.archive), folder.slice(1), request.keepsKinds ? keepKinds(root) : () => Promise.resolve());
    try {
      await applyLayer({ source: owner ? giveTo(entries, owner) : entries, target: root, form: 'plain', isBase: true, whiteouts: 'keep', signal: request.signal });
    } catch (err) {
      throw unpackError(err);
    }
  });
}

async function targetFolder(root: string, request: CopyInRequest): Promise<string> {
  if (request.path === '') throw invalid('bad parameter: path cannot be empty', 'EMPTY_PATH');
  const target = await statContainerPath(root, request.path.replace(/\/*$/, '/.'), request.name).catch(async (err: unknown) => {
    if (errorKind(err) === 'not_found' && (await resolveInRoot(root, request.path)).exists) throw invalid('extraction point is not a directory', 'NOT_A_DIRECTORY');
    if (errorKind(err) !== 'not_found') throw err;
    throw new EngineApiError('not_found', 'NO_SUCH_PATH', `Could not find the file ${request.path} in container ${request.name}`);
  });
  return target.innerPath;
}

function refuseReadonly(container: Container, folder: string): void {
  const holder = container.record.mounts.filter((mount) => folder === mount.Destination || folder.startsWith(`${mount.Destination}/`)).sort((a, b) => b.Destination.length - a.Destination.length)[0];
  if (holder && !holder.RW) throw invalid('mounted volume is marked read-only', 'READONLY');
  if (!holder && container.record.hostConfig.ReadonlyRootfs) throw invalid('container rootfs is marked read-only', 'READONLY');
}

function keepKinds(root: string): EntryCheck {
  return async (path, header) => {
    const place = await resolveInRoot(root, path, { followLast: false });
    const info = await lstat(place.hostPath).catch(() => undefined); // not there: then nothing is overwritten
    if (!info || info.isDirectory() === (header.type === 'directory')) return;
    const [old, fresh] = info.isDirectory() ? ['directory', 'non-directory'] : ['non-directory', 'directory'];
    throw invalid(`cannot overwrite ${old} ${JSON.stringify(place.innerPath)} with ${fresh} ${JSON.stringify('/')}`, 'OVERWRITE');
  };
}

async function ownerOf(container: Container, root: string): Promise<{ uid: number; gid: number } | undefined> {
  const { User } = container.record.config;
  return User === '' ? undefined : resolveUser(User, [], await readAccounts(root));
}

function unpackError(err: unknown): unknown {
  const kind = errorKind(err);
  if (kind === undefined || (err instanceof EngineApiError)) return err;
  const isBadArchive = kind === 'invalid_argument' || kind === 'data_loss';
  return new EngineApiError(isBadArchive ? 'invalid_argument' : kind, 'UNPACK_FAILED', `Error processing tar file: ${messageOf(err)}`, { cause: err });
}
