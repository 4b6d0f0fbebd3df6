import { OciImageError } from '../errors.ts';

/** Longest path, as the kernel has it. */
export const PATH_BYTES_MAX = 4095;
/** Longest name. */
export const NAME_BYTES_MAX = 255;
/** Prefix of whiteouts in a layer. @see image-spec layer.md, "Whiteouts" */
export const WHITEOUT_PREFIX = '.wh.';
/** Prefix of what is reserved for the storage that made the layer; all but the opaque marker is ignored. */
export const WHITEOUT_META_PREFIX = '.wh..wh.';
/** Marks a folder as hiding everything below it in lower layers. */
export const OPAQUE_MARKER = '.wh..wh..opq';

/**
 * The names of an archive path, cleaned inside the root as docker, containerd and umoci do: no leading slash, no `.`, and `..` never leads above the root.
 * @throws OciImageError `LAYER_INVALID`, `LAYER_LIMIT`
 */
export function cleanEntryPath(path: string): string[] {
  if (path.includes('\0')) throw new OciImageError('LAYER_INVALID', `path ${JSON.stringify(path.slice(0, 200))} contains NUL`);
  const names: string[] = [];
  for (const name of path.split('/')) {
    if (name === '..') names.pop();
    else if (name !== '' && name !== '.') names.push(name);
  }
  if (path.length > PATH_BYTES_MAX || Buffer.byteLength(path) > PATH_BYTES_MAX) throw tooLong(path, 'path', PATH_BYTES_MAX);
  const long = names.find((name) => name.length > NAME_BYTES_MAX || Buffer.byteLength(name) > NAME_BYTES_MAX);
  if (long !== undefined) throw tooLong(path, 'name', NAME_BYTES_MAX);
  return names;
}

/** What an entry's last name says. */
export type EntryMeaning =
  | { readonly kind: 'node' }
  /** Hides `name` of lower layers. */
  | { readonly kind: 'whiteout'; readonly name: string }
  | { readonly kind: 'opaque' }
  /** For another storage's eyes. */
  | { readonly kind: 'ignored' };

/** Tells whiteouts from nodes. @throws OciImageError `LAYER_INVALID` for a whiteout of nothing, `.` or `..` */
export function entryMeaning(name: string): EntryMeaning {
  if (!name.startsWith(WHITEOUT_PREFIX)) return { kind: 'node' };
  if (name === OPAQUE_MARKER) return { kind: 'opaque' };
  if (name.startsWith(WHITEOUT_META_PREFIX)) return { kind: 'ignored' };
  const hidden = name.slice(WHITEOUT_PREFIX.length);
  if (hidden === '' || hidden === '.' || hidden === '..') throw new OciImageError('LAYER_INVALID', `invalid whiteout name: ${name}`);
  return { kind: 'whiteout', name: hidden };
}

function tooLong(path: string, what: string, max: number): OciImageError {
  return new OciImageError('LAYER_LIMIT', `${what} of ${JSON.stringify(`${path.slice(0, 80)}…`)} is longer than ${max} bytes`);
}
