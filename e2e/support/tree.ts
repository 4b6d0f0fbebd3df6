import { execFileSync } from 'node:child_process';

/**
 * A text that tells everything about a tree that an image carries: type, mode, owner, size, device, time in nanoseconds, link target, content digest,
 * extended attributes, and which names are one file. Two trees are identical when their texts are.
 */
export function describeTree(root: string): string {
  return execFileSync('python3', ['-c', script, root], { encoding: 'utf8', maxBuffer: 1 << 28 });
}

const script = `
import os, sys, stat, hashlib
root = sys.argv[1].encode(); inodes = {}; out = []
def visit(path, name):
    s = os.lstat(path); kind = stat.S_IFMT(s.st_mode); line = [name.decode('latin1'), oct(s.st_mode), s.st_uid, s.st_gid, s.st_mtime_ns]
    if kind == stat.S_IFREG: line += [s.st_size, hashlib.sha256(open(path, 'rb').read()).hexdigest()]
    if kind == stat.S_IFLNK: line += [os.readlink(path).decode('latin1')]
    if kind in (stat.S_IFCHR, stat.S_IFBLK): line += [s.st_rdev]
    if kind != stat.S_IFDIR: line += ['same as ' + inodes.setdefault((s.st_dev, s.st_ino), name.decode('latin1'))]
    line += [(x, os.getxattr(path, x, follow_symlinks=False).hex()) for x in sorted(os.listxattr(path, follow_symlinks=False))]
    out.append(repr(line))
    if kind == stat.S_IFDIR:
        for child in sorted(os.listdir(path)): visit(os.path.join(path, child), os.path.join(name, child))
visit(root, b'.')
print('\\n'.join(out))
`;
