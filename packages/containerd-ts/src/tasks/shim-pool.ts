import type { Any } from '../any.ts';
import type { Logger } from '../logger.ts';
import { writeBootstrapFile, type ShimAddress } from './bootstrap.ts';
import type { Bundle } from './bundle.ts';
import type { Kernel } from './kernel.ts';
import { startShim, type ShimEnvironment } from './shim-command.ts';
import { ShimConnection } from './shim-connection.ts';
import { drainShimLog } from './shim-log.ts';
import { isShared } from './task.ts';

/** What the pool needs. */
export interface ShimPoolOptions {
  readonly environment: ShimEnvironment;
  readonly kernel: Kernel;
  readonly logger: Logger;
  /** Told when a connection ends that the pool did not close. */
  readonly onLost: (connection: ShimConnection) => void;
}

/** The connections to the shims: one for each address, however many tasks use it. */
export class ShimPool {
  readonly #options: ShimPoolOptions;
  /** By address. */
  readonly #connections = new Map<string, ShimConnection>();
  /** Shims that serve a whole namespace, by namespace and binary. */
  readonly #shared = new Map<string, ShimConnection>();
  /** Binaries known to want a `start` for each container. */
  readonly #single = new Set<string>();
  /** First starts under way, by namespace and binary. */
  readonly #starting = new Map<string, Promise<ShimConnection>>();
  readonly #logs = new Map<string, Disposable>();

  constructor(options: ShimPoolOptions) {
    this.#options = options;
  }

  /** The shim for a new bundle: the one that serves the namespace, or a new one. */
  async acquire(bundle: Bundle, binary: string, options: Any | undefined): Promise<ShimConnection> {
    const key = `${bundle.namespace}\0${binary}`;
    await this.#starting.get(key)?.catch(() => undefined);
    const shared = this.findShared(bundle.namespace, binary);
    if (shared !== undefined) {
      this.readLog(bundle);
      writeBootstrapFile(bundle, shared.address);
      return shared;
    }
    const start = this.start(bundle, binary, options);
    if (this.#single.has(binary)) return await start;
    this.#starting.set(key, start);
    try {
      return await start;
    } finally {
      this.#starting.delete(key);
    }
  }

  /** Runs the shim's `start` command for a bundle and connects. */
  async start(bundle: Bundle, binary: string, options: Any | undefined): Promise<ShimConnection> {
    this.readLog(bundle);
    const address = await startShim(binary, bundle, this.#options.environment, options);
    writeBootstrapFile(bundle, address);
    return await this.connect(bundle, binary, address);
  }

  /** Connects to a shim that runs already. */
  async connect(bundle: Bundle, binary: string, address: ShimAddress): Promise<ShimConnection> {
    const known = this.#connections.get(address.address);
    if (known !== undefined && !known.isClosed) return known;
    const connection = await ShimConnection.open(address, bundle.id);
    this.#connections.set(address.address, connection);
    if (isShared(connection)) this.#shared.set(`${bundle.namespace}\0${binary}`, connection);
    else this.#single.add(binary);
    void connection.closed.then(() => {
      this.#forget(connection);
    });
    return connection;
  }

  /** Reads what the shim of a bundle says. */
  readLog(bundle: Bundle): void {
    if (this.#logs.has(bundle.path)) return;
    const { kernel, logger } = this.#options;
    this.#logs.set(bundle.path, drainShimLog(bundle, { kernel, logger }));
  }

  /** Stops reading the log of a bundle. The log of a shared shim goes on, because it has no other. */
  closeLog(bundle: Bundle): void {
    this.#logs.get(bundle.path)?.[Symbol.dispose]();
    this.#logs.delete(bundle.path);
  }

  /** Closes a connection that no task needs any more. */
  release(connection: ShimConnection): void {
    this.#drop(connection);
    connection.close();
  }

  /** The shim that serves a whole namespace, if one runs. */
  findShared(namespace: string, binary: string): ShimConnection | undefined {
    const shared = this.#shared.get(`${namespace}\0${binary}`);
    return shared === undefined || shared.isClosed ? undefined : shared;
  }

  /** The shims that serve a whole namespace. */
  sharedShims(): ShimConnection[] {
    return [...this.#shared.values()];
  }

  /** Closes all connections; the shims go on. */
  close(): void {
    for (const connection of [...this.#connections.values()]) this.release(connection);
    for (const log of this.#logs.values()) log[Symbol.dispose]();
    this.#logs.clear();
  }

  #forget(connection: ShimConnection): void {
    const wasKnown = this.#connections.get(connection.address.address) === connection;
    this.#drop(connection);
    if (wasKnown) this.#options.onLost(connection);
  }

  #drop(connection: ShimConnection): void {
    if (this.#connections.get(connection.address.address) === connection) this.#connections.delete(connection.address.address);
    for (const [key, shared] of this.#shared) if (shared === connection) this.#shared.delete(key);
  }
}
