import { chmod } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TtrpcHandlers, TtrpcServiceDefinition } from './definition.ts';
import { TtrpcError } from './errors.ts';
import { ServerConnection, type AnyHandler, type RegisteredMethod } from './server-connection.ts';

/** Where a server listens: on a unix socket it makes, or on a listening socket that was handed to this process. */
export type TtrpcListenOptions =
  | { readonly path: string; /** Of the socket's file, 0o600 by default. */ readonly mode?: number }
  | { readonly fd: number };

/**
 * Serves ttrpc. Register services, then `listen()`, any number of times; `serve()` takes a connection made elsewhere.
 * Handlers run concurrently, and what one throws becomes the call's status by its `kind` (`unknown` without one).
 * @example
 * const server = new TtrpcServer();
 * server.register(TaskV2Definition, { connect: ({ id }) => ({ shimPid: process.pid, taskPid: pidOf(id) }) });
 * await server.listen({ path: '/run/shim.sock' });
 */
export class TtrpcServer implements AsyncDisposable {
  readonly #services = new Map<string, Map<string, RegisteredMethod>>();
  readonly #listeners = new Set<Server>();
  readonly #connections = new Set<ServerConnection>();
  #closing: Promise<void> | undefined;

  /** Connections that are open now. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Adds a service. Methods without a handler answer not_implemented. */
  register<Definition extends TtrpcServiceDefinition>(definition: Definition, handlers: TtrpcHandlers<Definition>): void {
    const byName: Readonly<Record<string, AnyHandler | undefined>> = handlers as Readonly<Record<string, AnyHandler | undefined>>;
    const methods = new Map<string, RegisteredMethod>();
    for (const [name, method] of Object.entries(definition.methods)) {
      const handler = byName[name];
      if (handler !== undefined) methods.set(method.name, { method, handler: handler.bind(handlers) });
    }
    this.#services.set(definition.fullName, methods);
  }

  /**
   * Accepts connections. Resolves once listening.
   * @throws the system's error (EADDRINUSE, EACCES …)
   */
  async listen(options: TtrpcListenOptions): Promise<void> {
    const listener = createServer((socket) => {
      this.serve(socket);
    });
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    listener.once('error', reject);
    listener.listen('fd' in options ? { fd: options.fd } : { path: options.path }, () => {
      resolve(undefined);
    });
    await promise;
    listener.off('error', reject);
    this.#listeners.add(listener);
    if ('path' in options && !options.path.startsWith('\0')) await chmod(options.path, options.mode ?? 0o600);
  }

  /** Answers the calls of one connection and owns it from now on. */
  serve(stream: Duplex): void {
    const connection = new ServerConnection(stream, (service, method) => this.#resolve(service, method));
    this.#connections.add(connection);
    void connection.closed.then(() => this.#connections.delete(connection));
  }

  /** Stops listening, answers the calls under way, then closes every connection. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Stops listening and breaks every connection off. Their handlers' signals abort. */
  destroy(): void {
    for (const listener of this.#listeners) listener.close();
    for (const connection of this.#connections) connection.destroy();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const listeners = [...this.#listeners].map((listener) => new Promise<void>((resolve) => listener.close(() => { resolve(); })));
    await Promise.all([...this.#connections].map((connection) => connection.close()));
    await Promise.all(listeners);
  }

  #resolve(service: string, method: string): RegisteredMethod {
    const methods = this.#services.get(service);
    if (methods === undefined) throw new TtrpcError('not_implemented', `service ${service}`, { code: 'UNKNOWN_METHOD' });
    const registered = methods.get(method);
    if (registered === undefined) throw new TtrpcError('not_implemented', `method ${method}`, { code: 'UNKNOWN_METHOD' });
    return registered;
  }
}
