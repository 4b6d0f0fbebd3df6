import assert from 'node:assert';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Takes a connection out of Node's HTTP server for a request that did not ask for an upgrade: clients of the oldest form of attach and exec
 * (dockerode) send bytes for the process right behind their request, and the parser would read those as the next request.
 */
export class PlainHijack {
  readonly #socket: Socket;
  readonly #early: Buffer[] = [];
  readonly #collect = (chunk: Buffer): void => void this.#early.push(chunk);
  #isIntercepting = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    // A listener for data makes the connection hand its bytes to JavaScript from now on; until `intercept` it only watches.
    socket.on('data', ignore);
  }

  /** Keeps bytes that the parser refused because they came behind the body in one packet with it. */
  refusedByParser(bytes: Buffer): void {
    if (bytes.length > 0) this.#early.push(bytes);
  }

  /** The request's body has been read: whatever comes from now on is for the process. */
  intercept(): void {
    if (this.#isIntercepting) return;
    this.#isIntercepting = true;
    const parserListeners = this.#socket.listeners('data').filter((listener) => listener.name.endsWith('socketOnData'));
    assert(parserListeners.length > 0, 'the HTTP server listens for data on its connections');
    for (const listener of parserListeners) this.#socket.off('data', listener as () => void);
    this.#socket.on('data', this.#collect);
    this.#socket.off('data', ignore);
  }

  /** Frees the connection from the HTTP server. What was received early can be read from it first. */
  take(request: IncomingMessage, response: ServerResponse): Socket {
    this.intercept();
    const socket = this.#socket;
    response.detachSocket(socket);
    for (const event of ['end', 'close', 'drain', 'error', 'timeout']) {
      for (const listener of socket.listeners(event)) {
        if (/socketOn(?:End|Close|Drain|Error|Timeout)$/.test(listener.name)) socket.off(event, listener as () => void);
      }
    }
    (socket as { parser?: { remove?(): void } }).parser?.remove?.();
    request.resume();
    socket.pause();
    socket.off('data', this.#collect);
    if (this.#early.length > 0) socket.unshift(Buffer.concat(this.#early));
    return socket;
  }
}

function ignore(): void {
  // only here so that the connection flows through JavaScript
}
