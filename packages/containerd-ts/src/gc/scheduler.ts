import { errorText } from '../errors.ts';
import type { Logger } from '../logger.ts';

/** When collections run; the names and defaults are those of containerd's `io.containerd.gc.v1.scheduler`. */
export interface SchedulerOptions {
  /** The part of the time that collections may take. */
  readonly pauseThreshold: number;
  /** Deletions that start a collection at once; 0 leaves it to the interval. */
  readonly deletionThreshold: number;
  /** Changes that start a collection; 0 for never. */
  readonly mutationThreshold: number;
  readonly scheduleDelayMs: number;
  readonly startupDelayMs: number;
}

/** containerd's defaults. */
export const SCHEDULER_DEFAULTS: SchedulerOptions = { pauseThreshold: 0.02, deletionThreshold: 0, mutationThreshold: 100, scheduleDelayMs: 0, startupDelayMs: 100 };

/** Milliseconds between a deletion and its collection at least, so that a burst of deletions is collected once. */
const INTERVAL_MIN_MS = 500;

/** What the scheduler runs. */
export type Collect = () => Promise<{ readonly pauseMs: number }>;

/** Decides when the collector runs, never twice at a time. */
export class GcScheduler implements AsyncDisposable {
  readonly #collect: Collect;
  readonly #options: SchedulerOptions;
  readonly #logger: Logger;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #averagePauseMs = 1;
  #deletions = 0;
  #mutations = 0;
  #isClosed = false;

  constructor(collect: Collect, options: SchedulerOptions, logger: Logger) {
    this.#collect = collect;
    this.#options = options;
    this.#logger = logger;
  }

  /** Begins with the collection that follows each start of the daemon. */
  start(): void {
    this.#schedule(this.#options.startupDelayMs);
  }

  /** Something was deleted that may have held other things. */
  noteDeletion(): void {
    this.#deletions += 1;
    const { deletionThreshold, scheduleDelayMs } = this.#options;
    if (deletionThreshold > 0 && this.#deletions >= deletionThreshold) this.#schedule(scheduleDelayMs);
    else if (deletionThreshold === 0) this.#schedule(this.#intervalMs());
  }

  /** Something was written. */
  noteMutation(): void {
    this.#mutations += 1;
    const { mutationThreshold } = this.#options;
    if (mutationThreshold > 0 && this.#mutations >= mutationThreshold) this.#schedule(this.#intervalMs());
  }

  /** Runs a collection that sees everything up to now, and waits for it. */
  async collectNow(): Promise<void> {
    if (this.#running !== undefined) await this.#running.catch(() => undefined);
    await this.#run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#running?.catch(() => undefined);
  }

  #intervalMs(): number {
    return Math.max(this.#averagePauseMs / this.#options.pauseThreshold, INTERVAL_MIN_MS) + this.#options.scheduleDelayMs;
  }

  #schedule(delayMs: number): void {
    if (this.#isClosed) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.collectNow().catch((error: unknown) => {
        this.#logger.error({ err: errorText(error) }, 'garbage collection failed');
      });
    }, delayMs).unref();
  }

  #run(): Promise<void> {
    this.#deletions = 0;
    this.#mutations = 0;
    const run = this.#collect().then(({ pauseMs }) => {
      this.#averagePauseMs = (this.#averagePauseMs + pauseMs) / 2;
      this.#logger.debug({ pauseMs }, 'garbage collected');
    });
    const settled = run.finally(() => {
      if (this.#running === settled) this.#running = undefined;
    });
    this.#running = settled;
    return settled;
  }
}
