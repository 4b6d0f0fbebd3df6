import fs from 'node:fs';
import { memfdCreate, sealMemfd } from '../process/descriptors.ts';
import { nativeFile } from '../native.ts';

let sealedFd: number | undefined;

/**
 * The static binary as a sealed memfd: what runs inside a container is never a file of the host that the container could get hold of through
 * /proc/PID/exe and write to (CVE-2019-5736). Made once per thread that uses it and kept until the process ends: about 1 MiB of memory.
 */
export function sealedBinary(): number {
  sealedFd ??= makeSealedBinary();
  return sealedFd;
}

function makeSealedBinary(): number {
  const fd = memfdCreate('dray-init', { executable: true });
  fs.writeFileSync(fd, fs.readFileSync(drayBinaryPath()));
  sealMemfd(fd);
  return fd;
}

/** The static binary. Its behaviour depends on the name in argv[0]: dray-init, dray-monitor, dray-logger; under any other name it is the program of the built-in image. */
export function drayBinaryPath(): string {
  return nativeFile('dray');
}

/** The monitor: `dray-monitor … -- command`. */
export function monitorPath(): string {
  return nativeFile('bin/dray-monitor');
}

/** The logger that containerd's `binary://` URIs name. */
export function loggerPath(): string {
  return nativeFile('bin/dray-logger');
}

/** The container init, for those who start it by a path. */
export function initPath(): string {
  return nativeFile('bin/dray-init');
}

/** The program of the built-in image: a static binary that prints a greeting as /hello and serves as echo, cat, ls, … under those names. */
export function builtinHelloPath(): string {
  return nativeFile('bin/dray-hello');
}
