import type { Writable } from 'node:stream';

/** One line of a progress stream. */
export interface ProgressLine {
  readonly status?: string;
  readonly id?: string;
  readonly stream?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
  readonly progress?: string;
  readonly errorDetail?: { readonly code?: number; readonly message: string };
  readonly error?: string;
  readonly aux?: unknown;
}

/** A stream of JSON lines whose answer begins with the first line: an error before that can still have its own status. */
export class ProgressStream {
  readonly #start: () => Writable;
  #stream: Writable | undefined;

  constructor(start: () => Writable) {
    this.#start = start;
  }

  /** Whether a line was sent. */
  get isStarted(): boolean {
    return this.#stream !== undefined;
  }

  send(line: ProgressLine): void {
    this.#stream ??= this.#start();
    this.#stream.write(`${JSON.stringify(line)}\r\n`);
  }

  /** A status line, about the part `id` where one is given. */
  status(status: string, id?: string): void {
    this.send({ status, ...id === undefined ? {} : { id } });
  }

  /** A status line of a part, as lists of layers have them. */
  layer(id: string, status: string, detail: { current?: number; total?: number } = {}): void {
    this.send({ status, progressDetail: detail, ...detail.current === undefined ? {} : { progress: progressBar(detail.current, detail.total ?? 0) }, id });
  }

  /** Ends the stream with an error line. Where nothing was sent yet the error is thrown, to become the answer. */
  fail(error: unknown, message: string): void {
    if (this.#stream === undefined) throw error;
    this.send({ errorDetail: { message }, error: message });
    this.#stream.end();
  }

  end(): void {
    this.#stream ??= this.#start();
    this.#stream.end();
  }
}

const BAR_LENGTH = 50;

/** `[=====>     ]  1.2MB/3.4MB`, as dockerd draws it for clients that cannot. */
export function progressBar(current: number, total: number): string {
  if (current <= 0 && total <= 0) return '';
  if (total <= 0) return humanSize(current).padStart(8);
  const done = Math.min(BAR_LENGTH, Math.trunc(Math.trunc(current / total * 100) / 2));
  const bar = `[${'='.repeat(done)}>${' '.repeat(Math.max(0, BAR_LENGTH - done))}] `;
  return bar + (current > total ? humanSize(current).padStart(8) : `${humanSize(current).padStart(8)}/${humanSize(total)}`);
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB'];

/** A size with four digits and a decimal unit, as docker writes it: `1.982MB`. */
export function humanSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${Number(value.toPrecision(4))}${UNITS[unit] ?? ''}`;
}
