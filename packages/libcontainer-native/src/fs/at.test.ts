import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AT, AT_FDCWD, FS_MAGIC, O, RENAME, RESOLVE, closeFd, copyFileRange, fchmod, fchmodat, fstatat, linkat, mkdirat, mkfifo, mknodat, openat, openat2, readlinkat, renameat2, statFileSystem, symlinkat, unlinkat, utimensat } from './index.ts';

describe('directory-relative calls', () => {
  let root = '';
  let dirfd = -1;
  beforeAll(() => {
    root = fs.mkdtempSync(path.join(os.tmpdir(), 'dray-at-'));
    dirfd = openat(AT_FDCWD, root, O.RDONLY | O.DIRECTORY);
  });
  afterAll(() => {
    closeFd(dirfd);
    fs.rmSync(root, { recursive: true });
  });

  test('openat2(IN_ROOT) takes an absolute link and ".." as inside the directory', () => {
    mkdirat(dirfd, 'etc', 0o755);
    fs.writeFileSync(path.join(root, 'etc/hostname'), 'inside');
    symlinkat('/etc/hostname', dirfd, 'absolute');
    for (const name of ['absolute', '../../etc/hostname', '/etc/hostname']) {
      const fd = openat2(dirfd, name, { flags: O.RDONLY, resolve: RESOLVE.IN_ROOT });
      expect(fs.readFileSync(fd, 'utf8')).toBe('inside');
      closeFd(fd);
    }
  });

  test('openat2() refuses what its restrictions forbid, with the errno as code', () => {
    symlinkat('etc', dirfd, 'link');
    expect(() => openat2(dirfd, 'link/hostname', { flags: O.RDONLY, resolve: RESOLVE.NO_SYMLINKS })).toThrow(expect.objectContaining({ name: 'LibcontainerError', code: 'ELOOP', syscall: 'openat2', path: 'link/hostname' }));
    expect(() => openat2(dirfd, '../x', { flags: O.RDONLY, resolve: RESOLVE.BENEATH })).toThrow(expect.objectContaining({ code: 'EXDEV' }));
    expect(() => openat2(dirfd, 'missing', { flags: O.RDONLY, resolve: RESOLVE.IN_ROOT })).toThrow('openat2 "missing": no such file or directory');
  });

  test('descriptors are close-on-exec from birth', () => {
    const flags = /flags:\s+(\d+)/.exec(fs.readFileSync(`/proc/self/fdinfo/${dirfd}`, 'utf8'))?.[1] ?? '0';
    expect(Number.parseInt(flags, 8) & 0o2000000).not.toBe(0);
  });

  test('times keep their nanoseconds, before the epoch as well', () => {
    for (const times of [{ atimeNs: 1_234_567_890_123_456_789n, mtimeNs: -1n }, { atimeNs: -1_500_000_001n, mtimeNs: 0n }]) {
      fs.writeFileSync(path.join(root, 'timed'), '');
      utimensat(dirfd, 'timed', times);
      expect(fstatat(dirfd, 'timed')).toMatchObject(times);
    }
  });

  test('the state of a symbolic link is its own, and what it says may be any bytes', () => {
    const target = Buffer.from([0x66, 0xff, 0x67]);
    symlinkat(target, dirfd, Buffer.from([0x6c, 0xfe]));
    expect(fstatat(dirfd, Buffer.from([0x6c, 0xfe]))).toMatchObject({ type: 'symlink', size: 3 });
    expect(readlinkat(dirfd, Buffer.from([0x6c, 0xfe]))).toEqual(target);
  });

  test('a FIFO, a hard link, a mode, an exchange, a removal', () => {
    mkfifo(path.join(root, 'fifo'), 0o600);
    mknodat(dirfd, 'fifo2', 0o010600);
    expect(fstatat(dirfd, 'fifo').type).toBe('fifo');
    fs.writeFileSync(path.join(root, 'file'), 'content');
    linkat(dirfd, 'file', dirfd, 'hard');
    fchmodat(dirfd, 'hard', 0o4711);
    expect(fstatat(dirfd, 'file')).toMatchObject({ linkCount: 2, mode: 0o104711, size: 7 });
    renameat2(dirfd, 'fifo', dirfd, 'hard', RENAME.EXCHANGE);
    expect(fstatat(dirfd, 'hard').type).toBe('fifo');
    expect(() => { renameat2(dirfd, 'file', dirfd, 'hard', RENAME.NOREPLACE); }).toThrow(expect.objectContaining({ kind: 'already_exists' }));
    unlinkat(dirfd, 'hard');
    mkdirat(dirfd, 'empty', 0o700);
    unlinkat(dirfd, 'empty', AT.REMOVEDIR);
    expect(fs.existsSync(path.join(root, 'empty'))).toBe(false);
  });

  test('copyFileRange() copies from where the source stands to its end', () => {
    fs.writeFileSync(path.join(root, 'from'), 'x'.repeat(100_000));
    const from = openat(dirfd, 'from', O.RDONLY);
    const to = openat(dirfd, 'to', O.RDWR | O.CREAT | O.EXCL, 0o600);
    fchmod(to, 0o640);
    let copied = 0;
    for (let size = copyFileRange(from, to, 1 << 20); size > 0; size = copyFileRange(from, to, 1 << 20)) copied += size;
    [from, to].forEach(closeFd);
    expect(copied).toBe(100_000);
    expect(fstatat(dirfd, 'to')).toMatchObject({ size: 100_000, mode: 0o100640 });
  });

  test('a path with NUL or of more than 4095 bytes is an error, and an argument of another type a TypeError', () => {
    expect(() => openat(dirfd, 'a\0b', O.RDONLY)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    expect(() => openat(dirfd, Buffer.from([0x61, 0]), O.RDONLY)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    expect(() => openat(dirfd, 'x'.repeat(4096), O.RDONLY)).toThrow(expect.objectContaining({ code: 'ENAMETOOLONG' }));
    expect(() => openat(dirfd, 5 as unknown as string, O.RDONLY)).toThrow(TypeError);
    expect(() => openat('x' as unknown as number, 'x', O.RDONLY)).toThrow(TypeError);
  });

  test('statFileSystem() names the file system of a path and of a descriptor', () => {
    expect(statFileSystem('/proc').type).toBe(FS_MAGIC.PROC);
    expect(statFileSystem(dirfd)).toEqual(expect.objectContaining({ type: statFileSystem(root).type }));
    expect(fstatat(AT_FDCWD, '/proc').isMountRoot).toBe(true);
    expect(fstatat(AT_FDCWD, '/dev/null').rdev).toEqual({ major: 1, minor: 3 });
  });
});
