import { closeSync, constants, fchmodSync, fchownSync, openSync, readSync, writeSync } from 'node:fs';
import type { LowerNode } from './lower-layers.ts';
import { closeFd, fchmodat, fchownat, mknodat, nativeName, O, openat, readLinkAt, setXattrFd, symlinkat, utimensat, xattrsOfNode } from './native-calls.ts';
import { isOverlayAttribute } from './target-tree.ts';

const COPY_BYTES = 1024 * 1024;

/** Copies a node that is no folder from a lower layer, with its attributes, as overlayfs would before a change. */
export function copyUp(lower: LowerNode, folder: number, name: string): void {
  const { stat } = lower;
  const native = nativeName(name);
  if (stat.type === 'file') {
    copyFile(lower, folder, name);
  } else if (stat.type === 'symlink') {
    symlinkat(nativeName(readLinkAt(lower.fd, '')), folder, native);
    fchownat(folder, native, stat.uid, stat.gid);
  } else {
    mknodat(folder, native, stat.mode, stat.rdev);
    fchownat(folder, native, stat.uid, stat.gid);
    fchmodat(folder, native, stat.mode & 0o7777);
  }
  utimensat(folder, native, { atimeNs: stat.atimeNs, mtimeNs: stat.mtimeNs });
}

function copyFile(lower: LowerNode, folder: number, name: string): void {
  const source = openSync(`/proc/self/fd/${lower.fd}`, constants.O_RDONLY);
  try {
    const target = openat(folder, nativeName(name), O.WRONLY | O.CREAT | O.EXCL | O.NOFOLLOW, 0o600);
    try {
      copyBytes(source, target);
      fchownSync(target, lower.stat.uid, lower.stat.gid);
      for (const [attribute, value] of xattrsOfNode(lower.fd)) if (!isOverlayAttribute(attribute)) setXattrFd(target, attribute, value);
      fchmodSync(target, lower.stat.mode & 0o7777);
    } finally {
      closeFd(target);
    }
  } finally {
    closeSync(source);
  }
}

function copyBytes(source: number, target: number): void {
  const buffer = Buffer.allocUnsafe(COPY_BYTES);
  for (;;) {
    const count = readSync(source, buffer, 0, buffer.byteLength, null);
    if (count === 0) return;
    for (let done = 0; done < count;) done += writeSync(target, buffer, done, count - done);
  }
}
