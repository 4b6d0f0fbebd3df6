/** Archives rewritten on their way: entries in another folder, under other names, of another owner. */
import { encodeTarEnd, encodeTarHeader, readTar, tarPadding, type TarHeader } from '@dray/oci-image';
import { invalid } from '../../errors.ts';

/** A look at each entry under its new path, before it is passed on; may throw. */
export type EntryCheck = (path: string, header: TarHeader) => Promise<void>;

type NewHeader = Omit<TarHeader, 'isSparse' | 'atimeNs'>;

async function* rewrite(source: AsyncIterable<Uint8Array>, change: (header: NewHeader) => Promise<NewHeader> | NewHeader): AsyncGenerator<Uint8Array, void, void> {
  for await (const { header, body } of readTar(source)) {
    const { isSparse: _isSparse, atimeNs: _atimeNs, ...kept } = header;
    yield encodeTarHeader(await change(kept));
    yield* body;
    if (header.size % 512 !== 0) yield tarPadding(header.size);
  }
  yield encodeTarEnd();
}

/**
 * Passes an archive on with its entries below `folder` (inside the archive, no slash at the ends; empty is the root).
 *
 * @throws EngineApiError `invalid_argument` for an entry that would leave the folder; OciImageError for what is no archive
 */
export function moveEntries(source: AsyncIterable<Uint8Array>, folder: string, check: EntryCheck): AsyncGenerator<Uint8Array, void, void> {
  return rewrite(source, async (header) => {
    const path = movedPath(header.path, folder);
    await check(path, { ...header, isSparse: false });
    return { ...header, path, linkPath: header.type === 'hardlink' ? movedPath(header.linkPath, folder) : header.linkPath };
  });
}

/** Where an entry goes. @throws EngineApiError `invalid_argument` when that is outside the folder */
export function movedPath(path: string, folder: string): string {
  const names: string[] = [];
  for (const name of path.split('/')) {
    if (name === '' || name === '.') continue;
    if (name !== '..') names.push(name);
    else if (names.pop() === undefined) throw invalid(`${JSON.stringify(path)} is outside of ${JSON.stringify(`/${folder}`)}`, 'ENTRY_OUTSIDE');
  }
  const moved = [...(folder === '' ? [] : [folder]), ...names].join('/');
  return moved === '' ? './' : moved;
}

/** Passes an archive of a whole root on with its entries named from the root: `/`, `/bin`. */
export function nameFromRoot(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  const absolute = (path: string): string => `/${path.replace(/^\.?\//, '')}`;
  return rewrite(source, (header) => ({ ...header, path: absolute(header.path), linkPath: header.type === 'hardlink' ? absolute(header.linkPath) : header.linkPath }));
}

/** Passes an archive on with every entry belonging to one user. */
export function giveTo(source: AsyncIterable<Uint8Array>, owner: { readonly uid: number; readonly gid: number }): AsyncGenerator<Uint8Array, void, void> {
  return rewrite(source, (header) => ({ ...header, uid: owner.uid, gid: owner.gid, userName: '', groupName: '' }));
}
