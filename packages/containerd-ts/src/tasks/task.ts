import type { Bundle } from './bundle.ts';
import { CAPABILITY_READOPT, CAPABILITY_SHARED } from './bootstrap.ts';
import { classedError } from '../errors.ts';
import type { Exit } from './exit.ts';
import { isConnectionLost, type ShimConnection, type TaskClient } from './shim-connection.ts';

/** What a task is made of. */
export interface TaskOptions {
  readonly bundle: Bundle;
  /** The shim's binary. */
  readonly binary: string;
  readonly connection: ShimConnection | Promise<ShimConnection>;
}

/** A container that runs, or has run and was not deleted yet. All it knows lives in its shim; this is the way there. */
export class Task {
  readonly bundle: Bundle;
  readonly binary: string;
  #connection: ShimConnection | Promise<ShimConnection>;
  readonly #exits = new Map<string, Exit>();
  readonly #waits = new Map<string, Promise<Exit>>();
  readonly #ended = Promise.withResolvers<Exit>();

  constructor(options: TaskOptions) {
    this.bundle = options.bundle;
    this.binary = options.binary;
    this.#connection = options.connection;
    this.#guard();
    // Nobody has to wait for the end.
    this.#ended.promise.catch(() => undefined);
  }

  get namespace(): string {
    return this.bundle.namespace;
  }

  get id(): string {
    return this.bundle.id;
  }

  /** The connection as it is now; undefined while the shim is being replaced. */
  get connection(): ShimConnection | undefined {
    return this.#connection instanceof Promise ? undefined : this.#connection;
  }

  /** Puts another connection in place; calls wait for a promised one. */
  reconnect(connection: ShimConnection | Promise<ShimConnection>): void {
    this.#connection = connection;
    this.#guard();
  }

  /**
   * Calls the shim. A call that may be made twice is made again when the shim was replaced meanwhile.
   *
   * @throws ContainerdError `unavailable`, `SHIM_GONE`
   * @throws TtrpcError what the shim answers
   */
  async call<T>(make: (client: TaskClient) => Promise<T>, options: { readonly isRepeatable: boolean }): Promise<T> {
    for (;;) {
      const connection = await this.#connected();
      try {
        return await make(connection.task);
      } catch (error) {
        if (!isConnectionLost(error)) throw error;
        if (!options.isRepeatable || !canReadopt(connection)) throw this.#gone(error);
        await this.#replacementOf(connection);
      }
    }
  }

  /** Waits for the exit of a process; '' names the container's first. All who wait share one call, which outlives a shim that is replaced. */
  wait(execId: string): Promise<Exit> {
    const pending = this.#waits.get(execId);
    if (pending !== undefined) return pending;
    const wait = this.#wait(execId).finally(() => this.#waits.delete(execId));
    this.#waits.set(execId, wait);
    return wait;
  }

  /** Remembers an exit that the shim told of. */
  noteExit(execId: string, exit: Exit): void {
    this.#exits.set(execId, exit);
  }

  /** Forgets a process whose id may be used again. */
  forget(execId: string): void {
    this.#exits.delete(execId);
  }

  /** The exit of a process, if it is known here. */
  exitOf(execId: string): Exit | undefined {
    return this.#exits.get(execId);
  }

  /** The shim is gone for good, and the container with it: whoever still waits gets this exit. */
  end(exit: Exit): void {
    this.#ended.resolve(exit);
  }

  async #wait(execId: string): Promise<Exit> {
    try {
      return await this.call((client) => client.wait({ id: this.id, execId }), { isRepeatable: true });
    } catch (error) {
      // The end is on its way: the shim's `delete` command tells the status.
      if (isGone(error)) return await this.#ended.promise;
      throw error;
    }
  }

  async #connected(): Promise<ShimConnection> {
    try {
      return await this.#connection;
    } catch (error) {
      throw this.#gone(error);
    }
  }

  #gone(cause: unknown): Error {
    return classedError('unavailable', 'SHIM_GONE', `shim of task ${this.id} is gone`, cause);
  }

  /** Resolves once something other than a lost connection is in place. */
  async #replacementOf(lost: ShimConnection): Promise<void> {
    if (this.#connection !== lost) return;
    await lost.closed;
    if (this.#connection === lost) throw this.#gone(undefined);
  }

  /** A replacement that fails is handled by whoever promised it. */
  #guard(): void {
    if (this.#connection instanceof Promise) this.#connection.catch(() => undefined);
  }
}

/** Whether the shim behind a connection can be replaced by another that takes its containers over. */
export function canReadopt(connection: ShimConnection): boolean {
  return connection.address.capabilities.includes(CAPABILITY_READOPT);
}

/** Whether the shim behind a connection serves every container of its namespace. */
export function isShared(connection: ShimConnection): boolean {
  return connection.address.capabilities.includes(CAPABILITY_SHARED);
}

function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'SHIM_GONE';
}
