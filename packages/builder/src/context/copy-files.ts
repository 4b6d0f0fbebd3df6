import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { applyLayer, encodeTarEnd, encodeTarHeader, packTree, readTar, type TarEntryOptions, type TarHeader, tarPadding } from '@dray/oci-image';
import { BuilderError } from '../errors.ts';
import { scopedPath } from './scoped-path.ts';
import type { CopySource } from './source-tree.ts';
import { isArchive, unpackedBytes } from './unpacked.ts';

/** What to copy and where to. */
export interface CopyOrder {
  readonly sources: readonly CopySource[];
  /** Absolute; with a slash at its end it is a folder, whether it is there or not. */
  readonly destination: string;
  /** `user[:group]`, empty for root. */
  readonly owner: string;
  /** Files keep the owners they have: of copies from images, unless an owner is named. */
  readonly keepsOwners: boolean;
  /** Permissions that every file and folder gets. */
  readonly mode: number | undefined;
  /** As `ADD` does: archives are unpacked. */
  readonly unpacks: boolean;
  readonly signal: AbortSignal;
}

interface Owner { readonly uid: number; readonly gid: number }

const ROOT: Owner = { uid: 0, gid: 0 };
const FOLDER_MODE = 0o755;
const [SET_USER, SET_GROUP, GROUP_EXECUTE] = [0o4000, 0o2000, 0o10] as const;
const TAR_BLOCK_BYTES = 512;
const ACCOUNTS_BYTES_MAX = 4 * 1024 * 1024;

/** Copies files into a root file system, whose links cannot lead out of it. @throws BuilderError `COPY_FAILED` */
export async function copyFiles(root: string, order: CopyOrder): Promise<void> {
  const owner = order.owner === '' ? ROOT : findOwner(root, order.owner);
  for (const source of order.sources) {
    const entries = await entriesOf(root, source, order, owner);
    await applyLayer({ source: encode(entries), target: root, form: 'plain', isBase: true, whiteouts: 'keep', signal: order.signal });
  }
}

/** Makes a working folder, with the folders above it, where it is not there. */
export async function makeFolder(root: string, path: string, signal: AbortSignal): Promise<void> {
  const place = scopedPath(root, path);
  if (place.stat !== undefined && !place.stat.isDirectory()) throw new BuilderError('COPY_FAILED', `cannot mkdir: ${path} is not a directory`);
  const missing = missingFolders(root, place.path, ROOT);
  if (missing.length > 0) await applyLayer({ source: encode(fromList(missing)), target: root, form: 'plain', isBase: true, signal });
}

interface Entry { readonly header: TarEntryOptions; readonly body?: AsyncIterable<Uint8Array> }

async function entriesOf(root: string, source: CopySource, order: CopyOrder, owner: Owner): Promise<AsyncIterable<Entry>> {
  const place = scopedPath(root, order.destination);
  const existing = place.stat;
  if (source.stat.isDirectory()) {
    if (existing !== undefined && !existing.isDirectory()) throw notAFolder(order.destination);
    const own = existing === undefined ? [folderEntry(place.path, owner, order.mode)] : [];
    return joined([...missingFolders(root, parentOf(place.path), ROOT), ...own], packed(source, place.path, order, owner));
  }
  if (order.unpacks && source.mayUnpack && source.stat.isFile() && await isArchive(source.hostPath)) {
    if (existing !== undefined && !existing.isDirectory()) throw notAFolder(order.destination);
    return joined(missingFolders(root, place.path, ROOT), unpacked(source, place.path));
  }
  const isInto = order.destination.endsWith('/') || existing?.isDirectory() === true;
  const target = isInto ? [place.path, basename(source.name)].filter((part) => part !== '').join('/') : place.path;
  if (isInto && existing !== undefined && !existing.isDirectory()) throw notAFolder(order.destination);
  return joined(missingFolders(root, parentOf(target), owner), packed(source, target, order, owner));
}

function notAFolder(path: string): BuilderError {
  return new BuilderError('COPY_FAILED', `cannot copy to non-directory: ${path}`);
}

const parentOf = (path: string): string => path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '';

/** Entries for the folders on the way to `path` that are not there. The path's links are resolved already. */
function missingFolders(root: string, path: string, owner: Owner): Entry[] {
  const parts = path === '' ? [] : path.split('/');
  return parts.map((_part, index) => parts.slice(0, index + 1).join('/')).filter((folder) => {
    const { stat } = scopedPath(root, folder);
    if (stat !== undefined && !stat.isDirectory()) throw notAFolder(`/${folder}`);
    return stat === undefined;
  }).map((folder) => folderEntry(folder, owner));
}

function folderEntry(path: string, owner: Owner, mode: number = FOLDER_MODE): Entry {
  return { header: { type: 'directory', path: `${path}/`, mode, ...owner, mtimeNs: BigInt(Date.now()) * 1_000_000n } };
}

/** A file, or what is in a folder: the folder itself stays as it is where the files go. */
async function* packed(source: CopySource, target: string, order: CopyOrder, owner: Owner): AsyncGenerator<Entry, void, void> {
  const name = target === '' ? '.' : target;
  const tar = packTree({ root: source.root, ...source.path === '' ? { includeRoot: true } : { path: source.path }, name, signal: order.signal });
  let isTop = source.stat.isDirectory();
  for await (const { header, body } of readTar(tar)) {
    if (!isTop) yield { header: { ...writable(header), mode: modeOf(header, order), ...order.keepsOwners ? {} : owner, userName: '', groupName: '' }, body };
    isTop = false;
  }
}

/** Files lose what a change of owner takes from them. */
function modeOf({ type, mode }: TarHeader, { mode: wanted, keepsOwners }: CopyOrder): number {
  if (type === 'symlink') return mode;
  if (wanted !== undefined) return wanted;
  if (keepsOwners) return mode;
  return type === 'file' || type === 'hardlink' ? mode & ~(SET_USER | ((mode & GROUP_EXECUTE) === 0 ? 0 : SET_GROUP)) : mode;
}

/** The entries of an archive below a folder, with the owners that the archive names. */
async function* unpacked(source: CopySource, folder: string): AsyncGenerator<Entry, void, void> {
  for await (const { header, body } of readTar(unpackedBytes(source.hostPath))) {
    const path = below(folder, header.path);
    if (path === '') continue;
    yield { header: { ...writable(header), path, linkPath: header.type === 'hardlink' ? below(folder, header.linkPath) : header.linkPath }, body };
  }
}

function below(folder: string, path: string): string {
  const names: string[] = [];
  for (const name of path.split('/')) {
    if (name === '' || name === '.') continue;
    if (name !== '..') names.push(name);
    else if (names.pop() === undefined) throw new BuilderError('COPY_FAILED', `${JSON.stringify(path)} is outside of ${JSON.stringify(`/${folder}`)}`);
  }
  return [...folder === '' ? [] : [folder], ...names].join('/');
}

function writable(header: TarHeader): TarEntryOptions {
  const { isSparse: _isSparse, atimeNs: _atimeNs, ...rest } = header;
  return rest;
}

async function* fromList(entries: readonly Entry[]): AsyncGenerator<Entry, void, void> {
  yield* entries;
}

async function* joined(first: readonly Entry[], rest: AsyncIterable<Entry>): AsyncGenerator<Entry, void, void> {
  yield* first;
  yield* rest;
}

async function* encode(entries: AsyncIterable<Entry>): AsyncGenerator<Uint8Array, void, void> {
  for await (const { header, body } of entries) {
    yield encodeTarHeader(header);
    const size = header.size ?? 0;
    if (body !== undefined) yield* body;
    if (size % TAR_BLOCK_BYTES !== 0) yield tarPadding(size);
  }
  yield encodeTarEnd();
}

/** Who a `--chown` means, by the accounts of the root file system. One name is user and group. */
function findOwner(root: string, text: string): Owner {
  const colon = text.indexOf(':');
  const [user, group] = colon === -1 ? [text, text] : [text.slice(0, colon), text.slice(colon + 1)];
  return { uid: findId(root, '/etc/passwd', user, { id: 'uid', kind: 'user' }), gid: findId(root, '/etc/group', group, { id: 'gid', kind: 'group' }) };
}

function findId(root: string, file: string, name: string, words: { id: string; kind: string }): number {
  if (/^\d{1,10}$/.test(name)) return Number(name);
  const { stat, hostPath } = scopedPath(root, file);
  const text = stat?.isFile() === true && stat.size <= ACCOUNTS_BYTES_MAX ? readFileSync(hostPath, 'utf8') : '';
  const id = text.split('\n').map((line) => line.split(':')).find((fields) => fields[0] === name)?.[2];
  if (id !== undefined && /^\d{1,10}$/.test(id)) return Number(id);
  throw new BuilderError('COPY_FAILED', `unable to convert uid/gid chown string to host mapping: can't find ${words.id} for ${words.kind} ${name}: no such ${words.kind}: ${name}`);
}
