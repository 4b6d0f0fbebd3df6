import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import { classedError, invalidArgument } from '../errors.ts';
import { quote } from '../quote.ts';

/** Finds the binary of a runtime. Each name is looked up once in the daemon's life. */
export class ShimBinaries {
  readonly #folders: readonly string[];
  readonly #known = new Map<string, string>();

  /** `besides` are the folders to look into after the PATH. */
  constructor(besides: readonly string[]) {
    this.#folders = [...(process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== ''), ...besides];
  }

  /**
   * The path of the shim for `io.containerd.runc.v2` (`containerd-shim-runc-v2`), or of an absolute path itself.
   *
   * @throws ContainerdError `invalid_argument`, `INVALID_RUNTIME`
   * @throws ContainerdError `not_found`, `SHIM_NOT_FOUND`
   */
  resolve(runtime: string): string {
    if (runtime === '') throw invalidArgument('INVALID_RUNTIME', 'runtime name must not be empty');
    if (isAbsolute(runtime)) return requireExecutable(runtime, runtime);
    if (runtime.includes('/')) throw invalidArgument('INVALID_RUNTIME', `invalid custom binary path: "${runtime}" is relative`);
    const known = this.#known.get(runtime);
    if (known !== undefined) return known;
    const name = shimName(runtime);
    const path = this.#folders.map((folder) => join(folder, name)).find(isExecutable);
    if (path === undefined) throw missing(runtime, `"${name}": file does not exist in $PATH`);
    this.#known.set(runtime, path);
    return path;
  }
}

/** The folders beside the daemon: that of its command, and the `node_modules/.bin` above this module. */
export function foldersBesideDaemon(): string[] {
  const folders: string[] = [];
  const command = process.argv[1];
  if (command !== undefined) folders.push(dirname(command), dirname(realpathOr(command)));
  for (let folder = import.meta.dirname; folder !== dirname(folder); folder = dirname(folder)) folders.push(join(folder, 'node_modules', '.bin'));
  return folders;
}

/** `io.containerd.runc.v2` → `containerd-shim-runc-v2` */
function shimName(runtime: string): string {
  const parts = runtime.split('.');
  const [name, version] = parts.slice(-2);
  if (parts.length < 2 || !name || !version) throw invalidArgument('INVALID_RUNTIME', `invalid runtime name ${quote(runtime)}, correct runtime name should be either format like \`io.containerd.runc.v2\` or a full path to the binary`);
  return `containerd-shim-${name}-${version}`;
}

function requireExecutable(path: string, runtime: string): string {
  if (!isExecutable(path)) throw missing(runtime, `"${path}": file does not exist`);
  return path;
}

function missing(runtime: string, reason: string): Error {
  return classedError('not_found', 'SHIM_NOT_FOUND', `failed to start shim: failed to resolve runtime path: runtime ${quote(runtime)} binary not installed ${reason}`);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function realpathOr(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
