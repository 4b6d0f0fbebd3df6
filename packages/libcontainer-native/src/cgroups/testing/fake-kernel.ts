import type { CgroupKernel } from '../kernel.ts';

/** A tree of control files in memory that records what is written, and can refuse. */
export interface FakeKernel extends CgroupKernel {
  readonly files: Map<string, string>;
  readonly folders: Set<string>;
  /** `path=value` in the order of writing. */
  readonly writes: string[];
  readonly signals: (readonly [pid: number, signal: number])[];
  /** Called before each write; what it returns is the errno to refuse with. */
  refuse: (path: string, value: string) => string | undefined;
  /** Called after each write: what the kernel does about it. */
  react: (path: string, value: string) => void;
  /** Files that a new directory comes with. */
  newFiles: (directory: string) => Readonly<Record<string, string>>;
}

/** Makes a tree with the given files; their directories exist. */
export function fakeKernel(initial: Readonly<Record<string, string>>): FakeKernel {
  const files = new Map(Object.entries(initial));
  const folders = new Set<string>(['/']);
  for (const path of files.keys()) addFolders(folders, parentOf(path));
  const kernel: FakeKernel = {
    files,
    folders,
    writes: [],
    signals: [],
    refuse: () => undefined,
    react: () => undefined,
    newFiles: () => ({}),
    read: (path) => files.get(path) ?? fail('ENOENT', path),
    write: (path, value) => {
      if (!files.has(path)) fail('ENOENT', path);
      const errno = kernel.refuse(path, value);
      if (errno !== undefined) fail(errno, path);
      kernel.writes.push(`${path}=${value}`);
      files.set(path, `${value}\n`);
      kernel.react(path, value);
    },
    writeEach: (path, values) => {
      for (const value of values) kernel.write(path, value);
    },
    mkdir: (path) => {
      if (folders.has(path)) fail('EEXIST', path);
      if (!folders.has(parentOf(path))) fail('ENOENT', path);
      const errno = kernel.refuse(path, 'mkdir');
      if (errno !== undefined) fail(errno, path);
      folders.add(path);
      for (const [name, text] of Object.entries(kernel.newFiles(path))) files.set(`${path}/${name}`, text);
    },
    rmdir: (path) => {
      if (!folders.has(path)) fail('ENOENT', path);
      if ([...folders].some((each) => parentOf(each) === path && each !== path)) fail('EBUSY', path);
      if ((files.get(`${path}/cgroup.procs`) ?? '').trim() !== '') fail('EBUSY', path);
      folders.delete(path);
      for (const file of files.keys()) if (parentOf(file) === path) files.delete(file);
    },
    directories: (path) => (folders.has(path) ? [...folders].filter((each) => parentOf(each) === path && each !== path).map((each) => each.slice(path.length + 1)) : fail('ENOENT', path)),
    exists: (path) => files.has(path) || folders.has(path),
    kill: (pid, signal) => {
      kernel.signals.push([pid, signal]);
    },
  };
  return kernel;
}

function addFolders(folders: Set<string>, path: string): void {
  if (folders.has(path)) return;
  folders.add(path);
  addFolders(folders, parentOf(path));
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

function fail(code: string, path: string): never {
  throw Object.assign(new Error(`${code}: ${path}`), { code });
}
