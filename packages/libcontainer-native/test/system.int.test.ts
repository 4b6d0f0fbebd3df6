import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { AT_FDCWD, MNT, MOUNT_ATTR, MS, O, attachMount, bpf, cloneMount, closeFd, createNetns, descriptorPath, fchownat, fstatat, getXattr, listXattrs, mknodat, mount, openat, removeNetns, removeXattr, setMountAttributes, setXattr, socketInNetns, symlinkat, unmount } from '../src/index.ts';

const isRoot = process.getuid?.() === 0;

describe.skipIf(!isRoot)(`system calls that need root${isRoot ? '' : ' (skipped: not root)'}`, () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dray-system-'));
  afterAll(() => { fs.rmSync(directory, { recursive: true }); });

  test('extended attributes of files, links and devices, read-only ones by O_PATH descriptor', () => {
    const file = path.join(directory, 'file');
    fs.writeFileSync(file, '');
    setXattr(file, 'trusted.small', Buffer.from('v'));
    setXattr(file, 'user.large', Buffer.alloc(3000, 'x'));
    expect(listXattrs(file).sort()).toEqual(['trusted.small', 'user.large']);
    expect(getXattr(file, 'user.large')).toEqual(Buffer.alloc(3000, 'x'));
    expect(getXattr(file, 'user.none')).toBeUndefined();
    removeXattr(file, 'user.large');
    expect(() => { removeXattr(file, 'user.large'); }).toThrow(expect.objectContaining({ kind: 'not_found', code: 'ENODATA' }));

    symlinkat('file', AT_FDCWD, path.join(directory, 'link'));
    setXattr(path.join(directory, 'link'), 'trusted.link', Buffer.from('own'));
    expect(listXattrs(file)).toEqual(['trusted.small']);
    mknodat(AT_FDCWD, path.join(directory, 'device'), 0o020600, { major: 1, minor: 300 });
    expect(fstatat(AT_FDCWD, path.join(directory, 'device')).rdev).toEqual({ major: 1, minor: 300 });
    const fd = openat(AT_FDCWD, path.join(directory, 'link'), O.PATH | O.NOFOLLOW);
    expect(getXattr(descriptorPath(fd), 'trusted.link', { follow: true })?.toString()).toBe('own');
    closeFd(fd);
  });

  test('the owner of a symbolic link is its own', () => {
    symlinkat('nowhere', AT_FDCWD, path.join(directory, 'owned'));
    fchownat(AT_FDCWD, path.join(directory, 'owned'), 1234, 5678);
    expect(fstatat(AT_FDCWD, path.join(directory, 'owned'))).toMatchObject({ uid: 1234, gid: 5678 });
  });

  test('a mount, its attributes, a copy attached elsewhere', () => {
    const [one, two] = ['one', 'two'].map((name) => path.join(directory, name)) as [string, string];
    fs.mkdirSync(one);
    fs.mkdirSync(two);
    mount({ source: 'tmpfs', target: one, fstype: 'tmpfs', flags: MS.NOSUID, data: 'size=64k' });
    fs.writeFileSync(path.join(one, 'file'), 'content');
    const copy = cloneMount(one);
    setMountAttributes(copy, { set: MOUNT_ATTR.RDONLY });
    const target = openat(AT_FDCWD, two, O.PATH | O.DIRECTORY);
    attachMount(copy, target);
    [copy, target].forEach(closeFd);
    expect(fs.readFileSync(path.join(two, 'file'), 'utf8')).toBe('content');
    expect(() => { fs.writeFileSync(path.join(two, 'new'), ''); }).toThrow('EROFS');
    unmount(two, MNT.DETACH);
    unmount(one, MNT.DETACH);
    expect(() => { unmount(one); }).toThrow(expect.objectContaining({ code: 'EINVAL', syscall: 'umount2' }));
    expect(() => { mount({ source: 'x', target: one, fstype: 'nosuchfs' }); }).toThrow(expect.objectContaining({ code: 'ENODEV', path: one }));
  });

  test('a network namespace lives without a process; a socket is made inside; our own is never left', async () => {
    const netns = path.join(directory, 'netns');
    const own = fs.readlinkSync('/proc/self/ns/net');
    await createNetns(netns);
    await expect(createNetns(netns)).rejects.toMatchObject({ kind: 'already_exists', code: 'EEXIST' });
    const fd = socketInNetns({ netnsPath: netns, family: 16, type: 3, protocol: 0 });
    expect(fs.readlinkSync(`/proc/self/fd/${fd}`)).toContain('socket:');
    expect(fs.statSync(netns).ino).not.toBe(fs.statSync('/proc/self/ns/net').ino);
    for (const task of fs.readdirSync('/proc/self/task')) expect(fs.readlinkSync(`/proc/self/task/${task}/ns/net`)).toBe(own);
    closeFd(fd);
    removeNetns(netns);
    removeNetns(netns);
    expect(fs.existsSync(netns)).toBe(false);
    expect(() => socketInNetns({ netnsPath: '/etc/passwd', family: 16, type: 3, protocol: 0 })).toThrow(expect.objectContaining({ code: 'EINVAL' }));
  });

  test('bpf() fills in addresses: a device program is loaded, a wrong one is refused', () => {
    const BPF_PROG_LOAD = 5;
    const load = (instructions: number[]): number => {
      const attribute = Buffer.alloc(72);
      attribute.writeUInt32LE(15, 0); // BPF_PROG_TYPE_CGROUP_DEVICE
      attribute.writeUInt32LE(instructions.length / 8, 4);
      return bpf(BPF_PROG_LOAD, attribute, [[8, Uint8Array.from(instructions)], [16, Buffer.from('GPL\0')]]);
    };
    const returnOne = [0xb7, 0, 0, 0, 1, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];
    const fd = load(returnOne);
    expect(fs.readlinkSync(`/proc/self/fd/${fd}`)).toBe('anon_inode:bpf-prog');
    closeFd(fd);
    expect(() => load(returnOne.slice(8))).toThrow(expect.objectContaining({ syscall: 'bpf' }));
    expect(() => bpf(BPF_PROG_LOAD, new Uint8Array(8), [[4, new Uint8Array(8)]])).toThrow(TypeError);
  });

  test('a namespace that cannot be made leaves no file', async () => {
    await expect(createNetns(path.join(directory, 'missing/netns'))).rejects.toMatchObject({ code: 'ENOENT', syscall: 'open' });
    expect(fs.existsSync(path.join(directory, 'missing'))).toBe(false);
  });
});
