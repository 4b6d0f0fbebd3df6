import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

/** Why the tests that need an image cannot run, or undefined. */
export const missingForImages: string | undefined = fs.existsSync('/bin/busybox') ? undefined : "Debian's busybox-static is not installed";

const applets = ['sh', 'ls', 'cat', 'echo', 'true', 'false', 'sleep', 'ps', 'id', 'env', 'head', 'tail', 'wc', 'dd', 'yes', 'seq', 'mount', 'hostname', 'pwd', 'touch', 'mkdir', 'rm', 'ln',
  'chmod', 'chown', 'grep', 'sed', 'awk', 'stty', 'tty', 'ip', 'ifconfig', 'route', 'ping', 'wget', 'nc', 'nslookup', 'kill', 'trap', 'date', 'md5sum', 'sha256sum', 'stat', 'tar', 'test', 'find',
  'top', 'free', 'httpd', 'vi', 'df', 'mknod', 'unshare', 'tee', 'printf', 'od', 'cut', 'sort', 'uniq', 'xargs', 'whoami', 'readlink', 'umount', 'uname', 'usleep', 'mkfifo', 'ulimit', 'killall', 'pidof'];

/**
 * Writes `busybox:latest` as a `docker save` archive into `folder`, made of Debian's static busybox by tar alone, so that no code of Dray's had a hand
 * in it. Returns the archive's path.
 */
export function busyboxArchive(folder: string): string {
  const rootfs = path.join(folder, 'busybox-rootfs');
  for (const directory of ['bin', 'etc', 'home', 'root', 'tmp', 'usr/bin', 'var/www']) fs.mkdirSync(path.join(rootfs, directory), { recursive: true });
  fs.chmodSync(path.join(rootfs, 'tmp'), 0o1777);
  fs.copyFileSync('/bin/busybox', path.join(rootfs, 'bin/busybox'));
  for (const applet of applets) fs.symlinkSync('busybox', path.join(rootfs, 'bin', applet));
  fs.writeFileSync(path.join(rootfs, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www-data:/var/www:/bin/false\nnobody:x:65534:65534:nobody:/home:/bin/false\n');
  fs.writeFileSync(path.join(rootfs, 'etc/group'), 'root:x:0:\nwww-data:x:33:\naudio:x:29:www-data\nnobody:x:65534:\n');
  fs.writeFileSync(path.join(rootfs, 'etc/not-executable'), 'plain text\n', { mode: 0o644 });
  return saveArchive(folder, rootfs, 'busybox:latest', { Cmd: ['sh'], Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'] });
}

/** Packs a root file system as a one-layer `docker save` archive. */
export function saveArchive(folder: string, rootfs: string, reference: string, config: Record<string, unknown>): string {
  const work = fs.mkdtempSync(path.join(folder, 'save-'));
  execFileSync('tar', ['--sort=name', '--numeric-owner', '--owner=0', '--group=0', '--mtime=@1700000000', '-C', rootfs, '-cf', path.join(work, 'layer.tar'), '.']);
  const diffId = `sha256:${createHash('sha256').update(fs.readFileSync(path.join(work, 'layer.tar'))).digest('hex')}`;
  const image = JSON.stringify({
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64', os: 'linux', created: '2023-11-14T22:13:20Z', config,
    rootfs: { type: 'layers', diff_ids: [diffId] }, history: [{ created: '2023-11-14T22:13:20Z', created_by: 'test fixture' }],
  });
  const imageFile = `${createHash('sha256').update(image).digest('hex')}.json`;
  fs.writeFileSync(path.join(work, imageFile), image);
  fs.writeFileSync(path.join(work, 'manifest.json'), JSON.stringify([{ Config: imageFile, RepoTags: [reference], Layers: ['layer.tar'] }]));
  const archive = path.join(folder, `${reference.replaceAll(/[^a-z0-9]/g, '-')}.tar`);
  execFileSync('tar', ['-C', work, '-cf', archive, 'manifest.json', imageFile, 'layer.tar']);
  fs.rmSync(work, { recursive: true });
  return archive;
}
