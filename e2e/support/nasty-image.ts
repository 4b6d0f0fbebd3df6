import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

/**
 * Makes, with umoci alone, an OCI layout whose image has what unpackers trip over: several layers, whiteouts, opaque directories, hard links (within
 * and across layers), devices, set-uid bits, extended attributes, capabilities, long names, sub-second times. Returns `oci:<layout>:nasty`.
 */
export function nastyImage(folder: string): string {
  const layout = path.join(folder, 'nasty-layout');
  const image = `${layout}:nasty`;
  const bundle = path.join(folder, 'nasty-bundle');
  const umoci = (...args: string[]): void => void execFileSync('umoci', args, { stdio: 'pipe' });
  const shell = (script: string): void => void execFileSync('sh', ['-ec', script], { cwd: path.join(bundle, 'rootfs'), stdio: 'pipe' });
  const layer = (script: string): void => {
    umoci('unpack', '--image', image, bundle);
    shell(script);
    umoci('repack', '--image', image, bundle);
    fs.rmSync(bundle, { recursive: true });
  };
  umoci('init', '--layout', layout);
  umoci('new', '--image', image);
  const long = 'n'.repeat(200);
  layer(`
    mkdir -p bin etc gone/deep opaque/old dev var/${long}; cp /bin/busybox bin/busybox; ln bin/busybox bin/sh; ln -s busybox bin/ls; ln -s ../../outside etc/link
    echo root:x:0:0:root:/root:/bin/sh > etc/passwd; echo one > gone/deep/file; echo old > opaque/old/file; echo kept > kept
    cp bin/busybox bin/su; chmod 4755 bin/su; mkdir sticky; chmod 1777 sticky; mknod dev/null c 1 3; mknod dev/sda b 8 0; mkfifo dev/fifo
    echo long > var/${long}/${long}; chown 1234:4321 kept; touch -d '2001-02-03 04:05:06.123456789' kept; setfattr -n user.note -v hello kept || true
    setfattr -n security.capability -v 0x0100000200040000000000000000000000000000 bin/sh`);
  layer(`rm -r gone/deep; rm -r opaque; mkdir opaque; echo new > opaque/file; ln kept kept-too; rm bin/ls; mkdir bin/ls; echo changed >> etc/passwd`);
  layer(`rm -r bin/ls; ln -s busybox bin/ls; mkdir -p 'with space/ünï'; printf '\\0\\1' > 'with space/ünï/bytes'; dd if=/dev/urandom of=random bs=1k count=300 2>/dev/null; truncate -s 1M sparse`);
  umoci('config', '--image', image, '--config.cmd', '/bin/ls', '--config.env', 'PATH=/bin', '--config.workingdir', '/');
  return `oci:${image}`;
}
