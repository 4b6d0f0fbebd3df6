import { LibcontainerError } from '../errors.ts';
import type { InitTrouble } from './failure.ts';

/** What `dray-init` tells the runtime; see native/init/report.c. */
export type SyncMessage =
  | { readonly type: 'pid'; readonly pid: number }
  | { readonly type: 'hooks' }
  | { readonly type: 'ready' }
  | { readonly type: 'warning'; readonly trouble: InitTrouble }
  | { readonly type: 'error'; readonly trouble: InitTrouble }
  | { readonly type: 'seccomp'; readonly listenerFd: number };

/** The answer that lets init go on. */
export const GO: Uint8Array = Buffer.from('g');

/** A step's name, a path and the numbers. Whatever says it is longer does not come from dray-init. */
const MESSAGE_BYTES_MAX = 8192;
const HEADER_BYTES = 4;

/** Cuts the byte stream of the sync socket into messages. */
export class SyncDecoder {
  #pending: Buffer = Buffer.alloc(0);

  /**
   * Takes the next bytes. @returns the messages that are complete
   * @throws LibcontainerError `internal` `SYNC_PROTOCOL` for bytes that are no message
   */
  push(chunk: Uint8Array): SyncMessage[] {
    this.#pending = Buffer.concat([this.#pending, chunk]);
    const messages: SyncMessage[] = [];
    for (let message = this.#next(); message !== undefined; message = this.#next()) messages.push(decodeMessage(message));
    return messages;
  }

  #next(): Buffer | undefined {
    if (this.#pending.length < HEADER_BYTES) return undefined;
    const size = this.#pending.readUInt32LE(0);
    if (size < 1 || size > MESSAGE_BYTES_MAX) throw malformed(`message of ${size} bytes`);
    if (this.#pending.length < HEADER_BYTES + size) return undefined;
    const message = this.#pending.subarray(HEADER_BYTES, HEADER_BYTES + size);
    this.#pending = this.#pending.subarray(HEADER_BYTES + size);
    return message;
  }
}

function malformed(detail: string): LibcontainerError {
  return new LibcontainerError({ kind: 'internal', code: 'SYNC_PROTOCOL', message: `cannot understand container init: ${detail}` });
}

function decodeMessage(message: Buffer): SyncMessage {
  const payload = message.subarray(1);
  switch (message[0]) {
    case 1: return { type: 'pid', pid: decodeNumber(payload) };
    case 2: return { type: 'hooks' };
    case 3: return { type: 'ready' };
    case 4: return { type: 'warning', trouble: decodeTrouble(payload) };
    case 5: return { type: 'error', trouble: decodeTrouble(payload) };
    case 6: return { type: 'seccomp', listenerFd: decodeNumber(payload) };
    default: throw malformed(`message type ${message[0] ?? -1}`);
  }
}

function decodeNumber(payload: Buffer): number {
  if (payload.length !== 4) throw malformed(`number of ${payload.length} bytes`);
  return payload.readUInt32LE(0);
}

function decodeTrouble(payload: Buffer): InitTrouble {
  if (payload.length < 8) throw malformed(`trouble of ${payload.length} bytes`);
  const stepEnd = 8 + payload.readUInt32LE(4);
  if (stepEnd > payload.length) throw malformed('step is longer than its message');
  return { errno: payload.readUInt32LE(0), step: payload.toString('utf8', 8, stepEnd), detail: payload.toString('utf8', stepEnd) };
}
