import type { IncomingMessage } from 'node:http';
import type { Duplex, Readable, Writable } from 'node:stream';
import type { ApiVersion } from './api-version.ts';
import type { Query } from './query.ts';

/** The methods that Docker's API uses. */
export type HttpMethod = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';

/** How to begin a streamed answer. */
export interface StreamOptions {
  /** Default 200. */
  readonly status?: number;
  /** Default `application/json`. */
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** How to take a connection over. */
export interface HijackOptions {
  /** `application/vnd.docker.raw-stream` for a terminal, `application/vnd.docker.multiplexed-stream` for frames (only named so to API ≥ 1.42). */
  readonly stream: 'raw' | 'multiplexed';
}

/**
 * One request, in the hands of its handler. A handler answers exactly once: `sendJson`, `sendText`, `sendEmpty`, `startStream` or `hijack`;
 * what it throws before that becomes an error answer, what it throws afterwards ends the connection.
 */
export interface RouteContext {
  readonly request: IncomingMessage;
  /** The path as it was asked for, without the version prefix and the query. */
  readonly path: string;
  /** The values of `{name}` parts of the route's path, percent-decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: Query;
  /** What the client speaks: `context.version.atLeast('1.42')`. */
  readonly version: ApiVersion;
  /** Aborted when the client goes away or half-closes a plain request. For readers (logs, events, wait); stop, start and the like must not take it. */
  readonly signal: AbortSignal;
  /** Whether the client asked for a protocol upgrade (101). */
  readonly isUpgrade: boolean;
  /** The request's body as bytes: a stream to be read once. */
  readonly body: Readable;

  /** A request header, joined where repeated; the empty string where absent. */
  header(name: string): string;
  /**
   * The JSON body, or undefined where the body is empty. The result is unchecked data: parse it.
   * @throws EngineApiError invalid_argument: wrong Content-Type, malformed JSON, data after the JSON, more than the limit.
   */
  readJson(limits?: { maxBytes?: number }): Promise<unknown>;
  /** Reads the body to its end and forgets it. Clients send bodies where none is expected. */
  drainBody(): Promise<void>;

  /** Answers with a JSON document and a line end. */
  sendJson(status: number, value: unknown, headers?: Readonly<Record<string, string>>): void;
  /** Answers with plain text. */
  sendText(status: number, text: string, headers?: Readonly<Record<string, string>>): void;
  /** Answers without a body. */
  sendEmpty(status: number, headers?: Readonly<Record<string, string>>): void;
  /** Sends the headers at once and gives the body's stream; every write goes out when it is made. End it. */
  startStream(options?: StreamOptions): Writable;
  /**
   * Takes the connection over: answers 101 UPGRADED or (client did not ask for an upgrade) 200, then gives the raw connection, the request's body and
   * what the client sent early put in order. The read side's end is the client's half-close; `end()` half-closes towards the client.
   * Read the body (`readJson`) before.
   */
  hijack(options: HijackOptions): Promise<Duplex>;
}

/**
 * One endpoint. `{name}` in the path takes one or more path segments as long as the rest of the path fits (image names hold slashes);
 * among routes that fit, the one with the longest fixed tail wins.
 */
export interface Route {
  readonly method: HttpMethod;
  /** Such as `/containers/{id}/start`, without version prefix. */
  readonly path: string;
  /** The handler may call `hijack`: then `Upgrade` headers are honoured. */
  readonly hijack?: boolean;
  readonly handle: (context: RouteContext) => Promise<void> | void;
}
