import { performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Milliseconds between two looks at how busy the daemon is. */
const CHECK_INTERVAL_MS = 10_000;
/** Milliseconds of work in an interval below which the daemon counts as idle. */
const IDLE_WORK_MS = 50;
/** Milliseconds of work that leave enough garbage to be worth a collection. */
const GARBAGE_WORK_MS = 200;

/**
 * Gives memory back when the daemon has worked and is idle again. V8 collects when it allocates, so that a daemon which stops working would keep the garbage
 * of its last burst for days.
 */
export function trimWhenIdle(): Disposable {
  const collect = findCollector();
  if (collect === undefined) return { [Symbol.dispose]: () => undefined };
  let last = performance.eventLoopUtilization();
  // Loading the daemon is the first burst.
  let workMs = last.active;
  const timer = setInterval(() => {
    const now = performance.eventLoopUtilization();
    const intervalMs = now.active - last.active;
    last = now;
    workMs += intervalMs;
    if (intervalMs > IDLE_WORK_MS || workMs < GARBAGE_WORK_MS) return;
    workMs = 0;
    collect();
  }, CHECK_INTERVAL_MS);
  timer.unref();
  return {
    [Symbol.dispose]: () => {
      clearInterval(timer);
    },
  };
}

function findCollector(): (() => void) | undefined {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('typeof gc === "function" ? gc : undefined');
  // V8's gc() takes nothing and gives nothing.
  return typeof collect === 'function' ? (collect as () => void) : undefined;
}
