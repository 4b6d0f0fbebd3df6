import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { alreadyExists, errnoCode } from '../errors.ts';
import { isIdentifier, validateIdentifier } from '../identifiers.ts';
import type { Kernel } from './kernel.ts';

/** The name of the runtime plugin, which names the folders under root and state. */
const RUNTIME_FOLDER = 'io.containerd.runtime.v2.task';

/** Where the bundles lie. */
export interface BundleFolders {
  readonly root: string;
  readonly state: string;
}

/** The folder of one task, laid out as containerd lays it out, so that any shim finds its way. */
export class Bundle {
  readonly namespace: string;
  readonly id: string;
  /** `<state>/io.containerd.runtime.v2.task/<namespace>/<id>` */
  readonly path: string;
  readonly #workPath: string;

  constructor(folders: BundleFolders, namespace: string, id: string) {
    validateIdentifier(namespace);
    validateIdentifier(id);
    this.namespace = namespace;
    this.id = id;
    this.path = join(folders.state, RUNTIME_FOLDER, namespace, id);
    this.#workPath = join(folders.root, RUNTIME_FOLDER, namespace, id);
  }

  /** Where the shim mounts the root file system. */
  get rootfs(): string {
    return join(this.path, 'rootfs');
  }

  /** The FIFO for the shim's own messages. */
  get log(): string {
    return join(this.path, 'log');
  }

  /** A file of the bundle. */
  file(name: string): string {
    return join(this.path, name);
  }

  /** Writes one of the small files. */
  write(name: string, text: string): void {
    writeFileSync(this.file(name), text, { mode: 0o600 });
  }

  /**
   * Makes the folders and writes the spec.
   *
   * @throws ContainerdError `already_exists`, `BUNDLE_EXISTS`
   */
  create(spec: Uint8Array): void {
    mkdirSync(dirname(this.path), { recursive: true, mode: 0o711 });
    try {
      mkdirSync(this.path, { mode: 0o700 });
    } catch (error) {
      if (errnoCode(error) === 'EEXIST') throw alreadyExists('BUNDLE_EXISTS', `bundle ${JSON.stringify(this.path)}`);
      throw error;
    }
    try {
      this.#openToUserNamespace(spec);
      mkdirSync(this.rootfs, { mode: 0o711 });
      mkdirSync(this.#workPath, { recursive: true, mode: 0o711 });
      symlinkSync(this.#workPath, join(this.path, 'work'));
      writeFileSync(join(this.path, 'config.json'), spec, { mode: 0o644 });
    } catch (error) {
      rmSync(this.path, { recursive: true, force: true });
      throw error;
    }
  }

  /**
   * Unmounts the root file system and removes the folders. The rename makes the bundle vanish at once; what a killed daemon leaves of it is swept.
   * The mount point is removed by rmdir, so that a mount which could not be undone is never deleted into.
   */
  remove(kernel: Kernel): void {
    if (existsSync(this.rootfs)) removeMountPoint(this.rootfs, kernel);
    const doomed = join(dirname(this.path), `.${this.id}`);
    try {
      renameSync(this.path, doomed);
    } catch (error) {
      if (errnoCode(error) !== 'ENOENT') throw error;
    }
    rmSync(doomed, { recursive: true, force: true });
    rmSync(this.#workPath, { recursive: true, force: true });
  }

  /** The root of a user namespace may enter its bundle. Parsing the spec is left out where it has no mapping. */
  #openToUserNamespace(spec: Uint8Array): void {
    const gid = Buffer.from(spec.buffer, spec.byteOffset, spec.byteLength).includes('"gidMappings"') ? rootGid(spec) : 0;
    if (gid === 0) return;
    chownSync(this.path, -1, gid);
    chmodSync(this.path, 0o710);
  }
}

/** The bundles of all namespaces that a former daemon left. Half-removed ones are removed, and work folders without a bundle; what is none is left alone. */
export function findBundles(folders: BundleFolders): Bundle[] {
  const found: Bundle[] = [];
  const stateFolder = join(folders.state, RUNTIME_FOLDER);
  for (const namespace of namesIn(stateFolder)) {
    for (const id of namesIn(join(stateFolder, namespace))) {
      const path = join(stateFolder, namespace, id);
      if (id.startsWith('.')) rmSync(path, { recursive: true, force: true });
      else if (namesIn(path).length === 0) rmdirSync(path);
      else if (isIdentifier(namespace) && isIdentifier(id)) found.push(new Bundle(folders, namespace, id));
    }
  }
  sweepWork(folders, new Set(found.map((bundle) => `${bundle.namespace}/${bundle.id}`)));
  return found;
}

function sweepWork(folders: BundleFolders, known: ReadonlySet<string>): void {
  const workFolder = join(folders.root, RUNTIME_FOLDER);
  for (const namespace of namesIn(workFolder)) {
    for (const id of namesIn(join(workFolder, namespace))) {
      if (!known.has(`${namespace}/${id}`)) rmSync(join(workFolder, namespace, id), { recursive: true, force: true });
    }
  }
}

function removeMountPoint(path: string, kernel: Kernel): void {
  try {
    rmdirSync(path);
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return;
    kernel.unmountAll(path);
    rmdirSync(path);
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (errnoCode(error) === 'ENOENT' || errnoCode(error) === 'ENOTDIR') return [];
    throw error;
  }
}

/** The host's group for group 0 of the container; 0 when it is not mapped. */
function rootGid(spec: Uint8Array): number {
  const parsed: unknown = JSON.parse(Buffer.from(spec).toString('utf8'));
  const mappings = field(field(parsed, 'linux'), 'gidMappings');
  if (!Array.isArray(mappings)) return 0;
  const mapping: unknown = mappings.find((one: unknown) => (field(one, 'containerID') ?? 0) === 0);
  const hostId = field(mapping, 'hostID');
  return typeof hostId === 'number' ? hostId : 0;
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
