/** Reads a container's log from its files, and follows it while the container runs. */
import { watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { LogEncoder, type LogView } from './log-encoder.ts';
import { findTail, openLogFile, openRotatedFiles, type LogFile } from './log-files.ts';
import { parseLogLine } from './log-line.ts';

/** What to read. */
export interface LogRequest {
  /** The current log file; rotated ones lie beside it. */
  readonly path: string;
  readonly view: LogView;
  /** The last so many lines, or all. */
  readonly tail: number | undefined;
  /** Keep reading until this promise settles (the container stopped) and everything written until then was delivered. */
  readonly follow: Promise<void> | undefined;
  /** The client went away. */
  readonly signal: AbortSignal;
}

const NEWLINE = 0x0a;
const CHUNK_BYTES = 256 * 1024;
/** A single line longer than this is not a log line; the file is damaged. */
const LINE_BYTES_MAX = 16 * 1024 * 1024;

/** The log as the client is to see it, in chunks of about 64 KiB. Files that are missing read as empty. */
export async function* readLog(request: LogRequest): AsyncGenerator<Buffer, void, void> {
  await using stack = new AsyncDisposableStack();
  const own = (file: LogFile): LogFile => stack.use(file);
  const encoder = new LogEncoder(request.view);
  const watcher = request.follow ? stack.use(new ChangeWatcher(request.path, request.follow, request.signal)) : undefined;
  const current = await openLogFile(request.path);
  const rotated = request.tail === 0 ? [] : await openRotatedFiles(request.path);
  const files = [...rotated, ...(current ? [current] : [])].map(own);
  const starts = await startPositions(files, request.tail);

  let reader: FileReader | undefined;
  for (const [index, file] of files.entries()) {
    reader = new FileReader(file, starts[index] ?? 0);
    yield* drain(reader, encoder, request.signal);
  }
  if (watcher && !encoder.isPastUntil) yield* followLog(request, encoder, current ? reader : undefined, watcher, own);
  const rest = encoder.flush();
  if (rest) yield rest;
}

async function startPositions(files: readonly LogFile[], tail: number | undefined): Promise<number[]> {
  if (tail === undefined) return files.map(() => 0);
  const starts: number[] = [];
  let wanted = tail;
  for (const file of files.toReversed()) {
    if (wanted <= 0) {
      starts.unshift(await file.size());
      continue;
    }
    const { position, found } = await findTail(file, wanted);
    starts.unshift(position);
    wanted -= found;
  }
  return starts;
}

/** Yields what can be read now, entry by entry, batched. */
async function* drain(reader: FileReader, encoder: LogEncoder, signal: AbortSignal): AsyncGenerator<Buffer, void, void> {
  while (!signal.aborted && !encoder.isPastUntil) {
    const lines = await reader.readLines();
    if (lines === undefined) return;
    for (const line of lines) {
      const entry = parseLogLine(line);
      const chunk = entry && encoder.add(entry);
      if (chunk) yield chunk;
    }
  }
}

async function* followLog(
  request: LogRequest, encoder: LogEncoder, first: FileReader | undefined, watcher: ChangeWatcher, own: (file: LogFile) => LogFile,
): AsyncGenerator<Buffer, void, void> {
  let reader = first;
  for (;;) {
    const isOver = watcher.isOver;
    if (reader) yield* drain(reader, encoder, request.signal);
    const next = await openSuccessor(request.path, reader, own);
    if (next) {
      // What was written to the old file before it was rotated away is read first.
      if (reader) yield* drain(reader, encoder, request.signal);
      reader = next;
      continue;
    }
    const batch = encoder.flush();
    if (batch) yield batch;
    if (isOver || request.signal.aborted || encoder.isPastUntil) return;
    await watcher.next();
  }
}

async function openSuccessor(path: string, reader: FileReader | undefined, own: (file: LogFile) => LogFile): Promise<FileReader | undefined> {
  const file = await openLogFile(path);
  if (!file) return undefined;
  if (file.identity !== reader?.identity) return new FileReader(own(file), 0);
  await file[Symbol.asyncDispose]();
  return undefined;
}

/** Reads complete lines forward; an unfinished last line waits for its rest. */
class FileReader {
  readonly #file: LogFile;
  #position: number;
  #rest: Buffer = Buffer.alloc(0);

  constructor(file: LogFile, position: number) {
    this.#file = file;
    this.#position = position;
  }

  get identity(): string {
    return this.#file.identity;
  }

  /** The lines of the next chunk (maybe none yet); `undefined` at the end of what is written so far. */
  async readLines(): Promise<Buffer[] | undefined> {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    const read = await this.#file.read(this.#position, chunk);
    if (read === 0) {
      if ((await this.#file.size()) < this.#position) this.#restart();
      return undefined;
    }
    this.#position += read;
    return this.#split(chunk.subarray(0, read));
  }

  /** The file was truncated in place: begin again. */
  #restart(): void {
    this.#position = 0;
    this.#rest = Buffer.alloc(0);
  }

  #split(chunk: Buffer): Buffer[] {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const lines: Buffer[] = [];
    let from = 0;
    for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, from)) {
      lines.push(bytes.subarray(from, at));
      from = at + 1;
    }
    const rest = bytes.subarray(from);
    this.#rest = rest.length > LINE_BYTES_MAX ? Buffer.alloc(0) : rest;
    return lines;
  }
}

/** Wakes a reader when the log may have changed, the container stopped or the client went away. */
class ChangeWatcher implements Disposable {
  readonly #close: () => void;
  #isChanged = false;
  #isOver = false;
  #wake: (() => void) | undefined;

  constructor(path: string, stopped: Promise<void>, signal: AbortSignal) {
    const name = basename(path);
    const watcher = watch(dirname(path), (_, file) => {
      if (file === null || file === name) this.#changed();
    });
    watcher.on('error', () => this.#finish()); // the folder is gone: the container was removed
    const onAbort = (): void => this.#changed();
    signal.addEventListener('abort', onAbort);
    void stopped.finally(() => this.#finish());
    this.#close = () => {
      watcher.close();
      signal.removeEventListener('abort', onAbort);
    };
  }

  /** The container stopped: what is in the files now is all there will be. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Waits for a change since the last call. */
  async next(): Promise<void> {
    if (!this.#isChanged) await new Promise<void>((resolve) => (this.#wake = resolve));
    this.#isChanged = false;
  }

  #changed(): void {
    this.#isChanged = true;
    this.#wake?.();
    this.#wake = undefined;
  }

  #finish(): void {
    this.#isOver = true;
    this.#changed();
  }

  [Symbol.dispose](): void {
    this.#close();
  }
}
