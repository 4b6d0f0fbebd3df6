/** The system calls that tasks need and Node lacks. */
export interface Kernel {
  /** mkfifo(3) */
  mkfifo(path: string, mode: number): void;
  /** Unmounts whatever is mounted at a path, also when it is busy; a path where nothing is mounted is no error. */
  unmountAll(path: string): void;
}
