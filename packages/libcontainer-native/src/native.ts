/**
 * The one typed door to the addon: loads it on first use and declares what it has. Every primitive returns a number that is negative
 * (-errno) on failure; `check` turns that into an error. Nothing outside this package imports this file.
 */
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { LibcontainerError, systemError } from './errors.ts';

/** A path of bytes is for names that are not UTF-8 (archives). */
export type NativePath = string | Uint8Array;

export interface SpawnRequest {
  readonly file?: string;
  readonly fileFd?: number;
  readonly argv: readonly string[];
  readonly env: readonly string[];
  readonly fds: readonly number[];
  readonly cwd?: string;
  readonly setsid?: boolean;
  readonly pdeathsig?: number;
}

export type SpawnAnswer = { readonly pid: number; readonly pidfd: number } | { readonly errno: number; readonly step: string };

/** An opaque handle; see native/addon/watch.c. */
export interface WatchHandle { readonly watch: never }

export interface NativeAddon {
  openat(dirfd: number, path: NativePath, flags: number, mode: number): number;
  openat2(dirfd: number, path: NativePath, how: Uint8Array): number;
  mkdirat(dirfd: number, path: NativePath, mode: number): number;
  mknodat(dirfd: number, path: NativePath, mode: number, dev: number): number;
  symlinkat(target: NativePath, dirfd: number, path: NativePath): number;
  linkat(fromFd: number, from: NativePath, toFd: number, to: NativePath, flags: number): number;
  renameat2(fromFd: number, from: NativePath, toFd: number, to: NativePath, flags: number): number;
  unlinkat(dirfd: number, path: NativePath, flags: number): number;
  fchownat(dirfd: number, path: NativePath, uid: number, gid: number, flags: number): number;
  fchmodat(dirfd: number, path: NativePath, mode: number): number;
  fchmod(fd: number, mode: number): number;
  utimensat(dirfd: number, path: NativePath | null, times: Uint8Array | null, flags: number): number;
  statx(dirfd: number, path: NativePath, flags: number, mask: number, buffer: Uint8Array): number;
  readlinkat(dirfd: number, path: NativePath, buffer: Uint8Array): number;
  getdents64(fd: number, buffer: Uint8Array): number;
  copyFileRange(fromFd: number, fromOffset: Uint8Array | null, toFd: number, toOffset: Uint8Array | null, size: number): number;
  statfs(path: NativePath, buffer: Uint8Array): number;
  fstatfs(fd: number, buffer: Uint8Array): number;
  getxattr(path: NativePath, name: NativePath, buffer: Uint8Array | null): number;
  lgetxattr(path: NativePath, name: NativePath, buffer: Uint8Array | null): number;
  fgetxattr(fd: number, name: NativePath, buffer: Uint8Array | null): number;
  setxattr(path: NativePath, name: NativePath, value: Uint8Array, flags: number): number;
  lsetxattr(path: NativePath, name: NativePath, value: Uint8Array, flags: number): number;
  fsetxattr(fd: number, name: NativePath, value: Uint8Array, flags: number): number;
  listxattr(path: NativePath, buffer: Uint8Array | null): number;
  llistxattr(path: NativePath, buffer: Uint8Array | null): number;
  flistxattr(fd: number, buffer: Uint8Array | null): number;
  removexattr(path: NativePath, name: NativePath): number;
  lremovexattr(path: NativePath, name: NativePath): number;
  fremovexattr(fd: number, name: NativePath): number;
  flock(fd: number, operation: number): number;
  syncfs(fd: number): number;

  mount(source: string | null, target: NativePath, fstype: string | null, flags: number, data: string | null): number;
  umount2(target: NativePath, flags: number): number;
  mountSetattr(dirfd: number, path: NativePath, flags: number, attributes: Uint8Array): number;
  openTree(dirfd: number, path: NativePath, flags: number): number;
  moveMount(fromFd: number, from: NativePath, toFd: number, to: NativePath, flags: number): number;
  fsopen(fstype: string, flags: number): number;
  fsconfig(fd: number, command: number, key: string | null, value: string | null, aux: number): number;
  fsmount(fd: number, flags: number, attributes: number): number;

  pidfdOpen(pid: number, flags: number): number;
  pidfdSendSignal(pidfd: number, signal: number): number;
  pidfdGetfd(pidfd: number, fd: number): number;
  waitid(idType: number, id: number, info: Uint8Array, options: number): number;
  setChildSubreaper(value: number): number;
  setDumpable(value: number): number;
  setThreadName(name: string): number;
  readBoundingCapability(capability: number): number;
  capget(header: Uint8Array, data: Uint8Array): number;
  prlimit(pid: number, resource: number, next: Uint8Array | null, previous: Uint8Array | null): number;
  schedSetaffinity(pid: number, mask: Uint8Array): number;
  schedGetaffinity(pid: number, mask: Uint8Array): number;

  close(fd: number): number;
  dupCloexec(fd: number, fdMin: number): number;
  setDescriptorFlags(fd: number, flags: number): number;
  getStatusFlags(fd: number): number;
  setStatusFlags(fd: number, flags: number): number;
  setPipeSize(fd: number, size: number): number;
  addSeals(fd: number, seals: number): number;
  getSeals(fd: number): number;
  memfdCreate(name: string, flags: number): number;
  pipe2(fds: Uint8Array, flags: number): number;
  eventfd2(initial: number, flags: number): number;
  setWindowSize(fd: number, size: Uint8Array): number;
  getWindowSize(fd: number, size: Uint8Array): number;

  socket(family: number, type: number, protocol: number): number;
  socketpair(family: number, type: number, protocol: number, fds: Uint8Array): number;
  bind(fd: number, address: Uint8Array): number;
  connect(fd: number, address: Uint8Array): number;
  listen(fd: number, backlog: number): number;
  accept4(fd: number, flags: number): number;
  send(fd: number, bytes: Uint8Array, flags: number): number;
  recv(fd: number, buffer: Uint8Array, flags: number): number;
  setsockopt(fd: number, level: number, option: number, value: Uint8Array): number;
  shutdown(fd: number, how: number): number;
  sendFds(fd: number, bytes: Uint8Array, fds: readonly number[]): number;
  recvFds(fd: number, buffer: Uint8Array, fds: number[], flags: number): number;

  spawn(request: SpawnRequest): SpawnAnswer;
  watch(fd: number, events: number, callback: (status: number, events: number) => void): WatchHandle | number;
  unwatch(handle: WatchHandle): void;
  setWatchRef(handle: WatchHandle, isRef: boolean): void;
  socketInNetns(path: NativePath, family: number, type: number, protocol: number): number;
  createNetns(path: NativePath): Promise<{ readonly result: number; readonly step: string }>;
  bpf(command: number, attribute: Uint8Array, pointers: readonly (readonly [number, Uint8Array])[]): number;
}

const packageRoot = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);
const platformPackage = `@dray/libcontainer-${process.platform}-${process.arch}`;

let loaded: NativeAddon | undefined;

/**
 * The addon, loaded on first use.
 *
 * @throws LibcontainerError `unavailable` `NATIVE_UNAVAILABLE` that lists what was tried and the remedy
 */
export function native(): NativeAddon {
  loaded ??= load();
  return loaded;
}

function load(): NativeAddon {
  return firstOf('the native addon', 'dray_libcontainer.node', (file) => require(file) as NativeAddon);
}

/**
 * The path of a file of the native part: the local build, else the platform package.
 *
 * @throws LibcontainerError `unavailable` `NATIVE_UNAVAILABLE`
 */
export function nativeFile(name: string): string {
  return firstOf(`"${name}"`, name, (file) => {
    fs.accessSync(file, fs.constants.R_OK);
    return file;
  });
}

function firstOf<T>(what: string, name: string, use: (file: string) => T): T {
  const tried: string[] = [];
  for (const locate of [() => path.join(packageRoot, 'build', name), () => path.join(path.dirname(require.resolve(`${platformPackage}/package.json`)), name)]) {
    try {
      return use(locate());
    } catch (error) {
      tried.push((error as Error).message.split('\n')[0] ?? '');
    }
  }
  throw new LibcontainerError({
    kind: 'unavailable',
    code: 'NATIVE_UNAVAILABLE',
    message: `cannot load ${what}: ${tried.join('; ')}; install "${platformPackage}", or build it with "npm run build" in packages/libcontainer-native`,
  });
}

/** Returns a result that is not negative, else throws it as an error of the named system call. */
export function check(result: number, syscall: string, subject?: NativePath): number {
  if (result < 0) throw systemError(-result, syscall, subject === undefined ? undefined : pathText(subject));
  return result;
}

/** A path for messages. */
export function pathText(subject: NativePath): string {
  return typeof subject === 'string' ? subject : Buffer.from(subject).toString('latin1');
}
