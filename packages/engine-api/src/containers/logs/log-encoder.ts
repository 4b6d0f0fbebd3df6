import { fixedTime, type LogEntry } from './log-line.ts';

/** How log lines are shown to a client. */
export interface LogView {
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly timestamps: boolean;
  readonly details: boolean;
  /** Frames for a container without a terminal, bare bytes with one. */
  readonly isFramed: boolean;
  /** Fixed-width times (`fixedTime`), inclusive. */
  readonly since: string | undefined;
  readonly until: string | undefined;
}

/** Bytes gathered before they go to the client in one write. */
const BATCH_BYTES = 64 * 1024;

/** Turns entries into the client's stream, gathered into large chunks. */
export class LogEncoder {
  readonly #view: LogView;
  #batch = Buffer.allocUnsafe(BATCH_BYTES);
  #length = 0;
  #isPastUntil = false;

  constructor(view: LogView) {
    this.#view = view;
  }

  /** True once an entry after `until` was seen: nothing later can be shown. */
  get isPastUntil(): boolean {
    return this.#isPastUntil;
  }

  /** Adds an entry if the view shows it. Returns chunks that are ready to be written, often none. */
  add(entry: LogEntry): Buffer | undefined {
    if (!this.#isShown(entry)) return undefined;
    const prefix = this.#prefix(entry);
    const size = Buffer.byteLength(prefix) + entry.payload.length;
    const full = this.#makeRoom(size + 8);
    if (this.#view.isFramed) this.#writeHeader(entry.isStderr, size);
    if (prefix !== '') this.#length += this.#batch.write(prefix, this.#length, 'utf8');
    this.#length += entry.payload.copy(this.#batch, this.#length);
    return full;
  }

  /** What has been gathered so far, if anything. */
  flush(): Buffer | undefined {
    if (this.#length === 0) return undefined;
    const chunk = this.#batch.subarray(0, this.#length);
    this.#batch = Buffer.allocUnsafe(BATCH_BYTES);
    this.#length = 0;
    return chunk;
  }

  #isShown(entry: LogEntry): boolean {
    const { since, until } = this.#view;
    if (since !== undefined || until !== undefined) {
      const time = fixedTime(entry.time);
      if (since !== undefined && time < since) return false;
      if (until !== undefined && time > until) {
        this.#isPastUntil = true;
        return false;
      }
    }
    return entry.isStderr ? this.#view.stderr : this.#view.stdout;
  }

  #prefix(entry: LogEntry): string {
    const time = this.#view.timestamps ? `${fixedTime(entry.time)} ` : '';
    return this.#view.details ? `${time}${formatAttributes(entry.attributes)} ` : time;
  }

  #makeRoom(size: number): Buffer | undefined {
    if (this.#length + size <= this.#batch.length) return undefined;
    const full = this.flush();
    if (size > this.#batch.length) this.#batch = Buffer.allocUnsafe(size);
    return full;
  }

  #writeHeader(isStderr: boolean, size: number): void {
    this.#batch.writeUInt32BE(isStderr ? 0x02_00_00_00 : 0x01_00_00_00, this.#length);
    this.#batch.writeUInt32BE(size, this.#length + 4);
    this.#length += 8;
  }
}

function formatAttributes(attributes: Readonly<Record<string, string>> | undefined): string {
  if (attributes === undefined) return '';
  return Object.entries(attributes)
    .map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`)
    .sort()
    .join(',');
}
