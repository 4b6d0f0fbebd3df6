import { closeSync, constants, openSync, readSync } from 'node:fs';
import { OciImageError } from '../errors.ts';
import { LowerLayers } from './lower-layers.ts';
import { closeFd, systemCallError } from './native-calls.ts';

/** Default of the largest file {@link readFileFromLayers} reads: what docker bounds passwd and group files to. */
export const LAYER_FILE_BYTES_MAX: number = 10 * 1024 * 1024;

/**
 * Reads a file of an image from its unpacked overlayfs layers, without mounting them: the topmost layer first, whiteouts and opaque folders honoured, links
 * resolved inside the image. Only a regular file is opened, so that no FIFO or device blocks or feeds the reader (CVE-2026-47262).
 * @param layers folders, topmost first
 * @returns nothing when the file does not exist
 * @throws OciImageError `LAYER_INVALID` when it is no regular file or the links loop; `LAYER_LIMIT` when it is larger than `bytesMax`
 */
export function readFileFromLayers(layers: readonly string[], path: string, options: { readonly bytesMax?: number } = {}): Uint8Array | undefined {
  const bytesMax = options.bytesMax ?? LAYER_FILE_BYTES_MAX;
  try {
    using lowers = new LowerLayers(layers);
    const found = lowers.resolve(path);
    if (found === undefined) return undefined;
    const { fd, stat } = found.node;
    try {
      if (stat.type !== 'file') throw new OciImageError('LAYER_INVALID', `${JSON.stringify(path)} is no regular file`);
      if (stat.size > bytesMax) throw new OciImageError('LAYER_LIMIT', `${JSON.stringify(path)} is ${stat.size} bytes, at most ${bytesMax} are read`);
      return readNode(fd, stat.size);
    } finally {
      closeFd(fd);
    }
  } catch (error) {
    throw systemCallError(error, 'cannot read', path);
  }
}

/** Opens the very node that an O_PATH descriptor holds and reads it. */
function readNode(node: number, size: number): Uint8Array {
  const fd = openSync(`/proc/self/fd/${node}`, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const buffer = Buffer.allocUnsafe(size);
    let filled = 0;
    while (filled < size) {
      const count = readSync(fd, buffer, filled, size - filled, filled);
      if (count === 0) break;
      filled += count;
    }
    return buffer.subarray(0, filled);
  } finally {
    closeSync(fd);
  }
}
