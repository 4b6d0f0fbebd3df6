import { setTimeout as delay } from 'node:timers/promises';
import { isOciImageError } from '../errors.ts';

/** How often and how patiently a request is repeated. */
export interface RetryOptions {
  /** Attempts in all, without progress between them. Default 5. */
  readonly attemptsMax?: number;
  /** First wait; doubled each time. Default 250 ms. */
  readonly delayMs?: number;
  /** Longest wait, a registry's Retry-After included. Default 30 s. */
  readonly delayMsMax?: number;
  /** Replaced in tests. */
  readonly sleep?: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
  /** Replaced in tests; 0 up to 1. */
  readonly random?: () => number;
}

/** Counts attempts and waits between them. */
export class Backoff {
  readonly #options: Required<RetryOptions>;
  #failures = 0;

  constructor(options: RetryOptions = {}) {
    this.#options = { attemptsMax: 5, delayMs: 250, delayMsMax: 30_000, sleep, random: Math.random, ...options };
  }

  /** Failures since the last progress. */
  get failures(): number {
    return this.#failures;
  }

  /** Counts progress: the attempts begin anew. */
  reset(): void {
    this.#failures = 0;
  }

  /**
   * Waits before the next attempt.
   * @throws `error` itself when it is final or no attempt is left
   */
  async next(error: unknown, options: { readonly retryAfterMs?: number | undefined; readonly signal?: AbortSignal | undefined; readonly onRetry?: ((delayMs: number) => void) | undefined }): Promise<void> {
    this.#failures += 1;
    if (!isTransient(error) || this.#failures >= this.#options.attemptsMax) throw error;
    const backoff = this.#options.delayMs * 2 ** (this.#failures - 1) * (0.5 + this.#options.random() / 2);
    const wait = Math.min(Math.max(backoff, options.retryAfterMs ?? 0), this.#options.delayMsMax);
    options.onRetry?.(wait);
    await this.#options.sleep(wait, options.signal);
  }
}

/** Whether repeating may help. */
export function isTransient(error: unknown): boolean {
  return isOciImageError(error, 'REGISTRY_UNAVAILABLE', 'REGISTRY_RATE_LIMITED');
}

/** Retry-After in milliseconds: seconds or an HTTP date. */
export function parseRetryAfter(value: string | undefined, now: number = Date.now()): number | undefined {
  if (value === undefined) return undefined;
  if (/^[0-9]{1,9}$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

async function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await delay(ms, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    throw signal?.reason ?? error;
  }
}
