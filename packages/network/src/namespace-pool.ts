import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { createNetns, removeNetns } from '@dray/libcontainer';
import { findLink, setUp } from './netlink/link.ts';
import { NETLINK_ROUTE, NetlinkSocket } from './netlink/socket.ts';

const LOOPBACK_INDEX = 1;

/**
 * Network namespaces prepared ahead: making one takes the kernel about 10 ms, which a starting container need not wait for. A namespace is a file
 * that keeps it alive; its loopback is up.
 */
export class NamespacePool implements AsyncDisposable {
  readonly #folder: string;
  readonly #size: number;
  readonly #ready: string[] = [];
  readonly #making = new Set<Promise<void>>();
  #isClosed = false;

  /** `size` namespaces are kept ready; 0 makes each when it is asked for. */
  constructor(options: { folder: string; size: number }) {
    this.#folder = options.folder;
    this.#size = options.size;
    fs.mkdirSync(options.folder, { recursive: true, mode: 0o700 });
    this.#refill();
  }

  /** A fresh namespace; the caller owns it from now on and gives it to {@link NamespacePool.destroy}. */
  async take(): Promise<string> {
    const ready = this.#ready.shift() ?? (await this.#make());
    this.#refill();
    return ready;
  }

  /** Removes a namespace that was taken. The kernel takes its links down in the background. */
  destroy(namespacePath: string): void {
    removeNetns(namespacePath);
  }

  /** Removes the namespaces in the folder that nobody in `owned` owns: those a daemon that was killed had prepared. */
  sweep(owned: ReadonlySet<string>): void {
    for (const name of fs.readdirSync(this.#folder)) {
      const file = path.join(this.#folder, name);
      if (!owned.has(file) && !this.#ready.includes(file)) removeNetns(file);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(this.#making);
    for (const file of this.#ready.splice(0)) removeNetns(file);
  }

  async #make(): Promise<string> {
    const file = path.join(this.#folder, randomBytes(6).toString('hex'));
    await createNetns(file);
    using socket = NetlinkSocket.open(NETLINK_ROUTE, file);
    socket.send('set loopback up', setUp(findLink(socket, 'lo')?.index ?? LOOPBACK_INDEX));
    return file;
  }

  #refill(): void {
    while (!this.#isClosed && this.#ready.length + this.#making.size < this.#size) {
      // A namespace that cannot be prepared ahead is made when asked for, and the error shows there.
      const making: Promise<void> = this.#make().then((file) => void this.#ready.push(file), () => undefined).finally(() => this.#making.delete(making));
      this.#making.add(making);
    }
  }
}
