/** The wire format of dray-monitor's control socket: docs/monitor-protocol.md. Pure functions over bytes. */
import { LibcontainerError } from '../errors.ts';

/** The protocol's version, exchanged in the hello of both sides. */
export const MONITOR_PROTOCOL_VERSION = 1;
/** Bytes of payload one frame may carry. */
export const MONITOR_PAYLOAD_BYTES_MAX = 4096;

const HEADER_BYTES = 12;
const HELLO_MAGIC = 'DRAYMON1';
const STATUS_BYTES = 40;

const requestTypes = { hello: 1, watch: 2, resize: 3, closeStdin: 4, signal: 5, status: 6, taken: 7, quit: 8, watchOom: 9 } as const;
const RESULT = 0x80;
const HELLO_REPLY = 0x81;
const STATUS_REPORT = 0x82;

/** What a client may ask for. */
export type MonitorRequest =
  | { readonly type: 'hello' | 'closeStdin' | 'status' | 'taken' | 'quit' }
  | { readonly type: 'watch'; readonly pid: number }
  | { readonly type: 'resize'; readonly width: number; readonly height: number }
  | { readonly type: 'signal'; readonly signal: number }
  | { readonly type: 'watchOom'; readonly version: 1 | 2; readonly folder: string };

/** How things stand with a monitor and its process. */
export interface MonitorStatus {
  /** The command has ended, with this exit code (128 + signal when a signal ended it). */
  readonly commandStatus: number | undefined;
  /** The watched process; 0 while nobody said whom to watch. */
  readonly pid: number;
  /** How and when the process ended. */
  readonly exit: { readonly status: number; readonly atNanos: bigint } | undefined;
  /** Everything the process wrote is where it belongs, attach clients included. */
  readonly isIoDone: boolean;
  readonly hasConsole: boolean;
  readonly isStdinOpen: boolean;
  /** Bytes of log records that the disk refused. */
  readonly lostBytes: bigint;
  /** Processes of the watched cgroup that the kernel killed for want of memory. */
  readonly oomKills: number;
  readonly monitorPid: number;
}

/** What a monitor says. `sequence` is the request's that is answered, 0 for a report nobody asked for. */
export type MonitorMessage =
  | { readonly type: 'hello'; readonly sequence: number; readonly version: number }
  | { readonly type: 'result'; readonly sequence: number; readonly errno: number }
  | { readonly type: 'status'; readonly sequence: number; readonly status: MonitorStatus };

function malformed(what: string): LibcontainerError {
  return new LibcontainerError({ kind: 'internal', code: 'MONITOR_PROTOCOL', message: `cannot understand the monitor: ${what}` });
}

function requestPayload(request: MonitorRequest): Buffer {
  switch (request.type) {
    case 'hello': {
      const payload = Buffer.alloc(HELLO_MAGIC.length + 4);
      payload.write(HELLO_MAGIC, 'latin1');
      payload.writeUInt32LE(MONITOR_PROTOCOL_VERSION, HELLO_MAGIC.length);
      return payload;
    }
    case 'watch':
    case 'signal': {
      const payload = Buffer.alloc(4);
      payload.writeUInt32LE(request.type === 'watch' ? request.pid : request.signal);
      return payload;
    }
    case 'resize': {
      const payload = Buffer.alloc(4);
      payload.writeUInt16LE(request.width, 0);
      payload.writeUInt16LE(request.height, 2);
      return payload;
    }
    case 'watchOom': {
      const folder = Buffer.from(request.folder);
      const payload = Buffer.alloc(4 + folder.length);
      payload.writeUInt32LE(request.version);
      payload.set(folder, 4);
      return payload;
    }
    default:
      return Buffer.alloc(0);
  }
}

/** A request as a frame. `sequence` comes back in its answer. */
export function encodeMonitorRequest(request: MonitorRequest, sequence: number): Buffer {
  const payload = requestPayload(request);
  const frame = Buffer.alloc(HEADER_BYTES + payload.length);
  frame.writeUInt32LE(payload.length, 0);
  frame.writeUInt8(requestTypes[request.type], 4);
  frame.writeUInt32LE(sequence, 8);
  frame.set(payload, HEADER_BYTES);
  return frame;
}

function decodeStatus(payload: Buffer): MonitorStatus {
  const flags = payload.readUInt32LE(0);
  return {
    pid: payload.readUInt32LE(4),
    commandStatus: (flags & 1) === 0 ? undefined : payload.readUInt32LE(8),
    exit: (flags & 4) === 0 ? undefined : { status: payload.readUInt32LE(12), atNanos: payload.readBigUInt64LE(16) },
    isIoDone: (flags & 8) !== 0,
    hasConsole: (flags & 16) !== 0,
    isStdinOpen: (flags & 32) !== 0,
    lostBytes: payload.readBigUInt64LE(24),
    oomKills: payload.readUInt32LE(32),
    monitorPid: payload.readUInt32LE(36),
  };
}

function decodeMessage(type: number, sequence: number, payload: Buffer): MonitorMessage {
  if (type === RESULT && payload.length === 4) return { type: 'result', sequence, errno: payload.readUInt32LE(0) };
  if (type === STATUS_REPORT && payload.length === STATUS_BYTES) return { type: 'status', sequence, status: decodeStatus(payload) };
  if (type === HELLO_REPLY && payload.length === HELLO_MAGIC.length + 4 && payload.toString('latin1', 0, HELLO_MAGIC.length) === HELLO_MAGIC) {
    return { type: 'hello', sequence, version: payload.readUInt32LE(HELLO_MAGIC.length) };
  }
  throw malformed(`message ${type} of ${payload.length} bytes`);
}

/** Cuts a byte stream into a monitor's messages. */
export class MonitorMessageDecoder {
  #rest: Buffer = Buffer.alloc(0);

  /**
   * Takes the next piece and returns the messages it completes.
   * @throws LibcontainerError `internal` MONITOR_PROTOCOL for what is no message; the stream cannot be used further.
   */
  push(chunk: Uint8Array): MonitorMessage[] {
    let rest = this.#rest.length === 0 ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength) : Buffer.concat([this.#rest, chunk]);
    const messages: MonitorMessage[] = [];
    while (rest.length >= HEADER_BYTES) {
      const size = rest.readUInt32LE(0);
      if (size > MONITOR_PAYLOAD_BYTES_MAX) throw malformed(`a payload of ${size} bytes, want at most ${MONITOR_PAYLOAD_BYTES_MAX}`);
      if (rest.length < HEADER_BYTES + size) break;
      messages.push(decodeMessage(rest.readUInt8(4), rest.readUInt32LE(8), rest.subarray(HEADER_BYTES, HEADER_BYTES + size)));
      rest = rest.subarray(HEADER_BYTES + size);
    }
    this.#rest = Buffer.from(rest);
    return messages;
  }
}
