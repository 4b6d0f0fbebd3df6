import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultSpec } from '../../src/spec/default-spec.ts';

const BUSYBOX = '/bin/busybox';
const APPLETS = ['sh', 'cat', 'echo', 'env', 'false', 'grep', 'head', 'id', 'ls', 'mkdir', 'mount', 'ps', 'pwd', 'readlink', 'sed', 'sleep', 'sort', 'stat', 'stty', 'test', 'touch', 'true', 'tty', 'uname', 'wc', 'hostname', 'umask', 'kill', 'mknod', 'dd', 'nproc', 'unshare'];

/** A bundle's configuration as plain JSON, free to change. */
export type Json = Record<string, unknown>;

/** A folder with a busybox root file system and as many configurations as a test needs. */
export interface TestBundle extends Disposable {
  readonly directory: string;
  readonly rootfs: string;
  /** Writes config.json: the default configuration, changed by `change`. */
  configure(change?: (spec: SpecDraft) => void): SpecDraft;
}

/** The default configuration, loosely typed. */
export interface SpecDraft extends Json {
  process: Json & { args: string[]; env: string[] };
  root: Json;
  mounts: Json[];
  linux: Json & { namespaces: Json[] };
}

/** Why these tests cannot run here, or `undefined`. */
export function missingForBundles(): string | undefined {
  if (process.geteuid?.() !== 0) return 'not root';
  return existsSync(BUSYBOX) ? undefined : 'busybox-static is not installed';
}

/** Makes a bundle in a temporary folder. */
export function createBundle(): TestBundle {
  const directory = mkdtempSync(join(tmpdir(), 'runc-ts-bundle-'));
  // The root of a user namespace is somebody else for the host and must be able to reach it.
  chmodSync(directory, 0o755);
  const rootfs = join(directory, 'rootfs');
  for (const name of ['bin', 'dev', 'etc', 'proc', 'sys', 'tmp', 'place']) mkdirSync(join(rootfs, name), { recursive: true });
  copyFileSync(BUSYBOX, join(rootfs, 'bin', 'busybox'));
  for (const applet of APPLETS) symlinkSync('busybox', join(rootfs, 'bin', applet));
  writeFileSync(join(rootfs, 'etc', 'passwd'), 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/place:/bin/sh\n');
  return {
    directory,
    rootfs,
    configure: (change) => {
      const spec = draft();
      change?.(spec);
      writeFileSync(join(directory, 'config.json'), JSON.stringify(spec));
      return spec;
    },
    [Symbol.dispose]: () => {
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** The default configuration without a terminal, running `true`. */
export function draft(): SpecDraft {
  const spec = JSON.parse(JSON.stringify(defaultSpec())) as SpecDraft;
  spec.process['terminal'] = false;
  spec.process.args = ['true'];
  return spec;
}
