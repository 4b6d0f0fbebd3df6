/** Runs tasks one after the other, in the order they came. */
export class SerialLock {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `task` when all before it have settled, and settles as it does. */
  run<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#last.then(task, task);
    this.#last = result.catch(() => undefined);
    return result;
  }
}
