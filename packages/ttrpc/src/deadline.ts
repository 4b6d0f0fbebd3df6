/** The longest delay a Node timer takes; it fires at once beyond. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** Calls `onPassed` once, after `ms` milliseconds however many these are, unless the returned function is called before. */
export function startDeadline(ms: number, onPassed: () => void): () => void {
  let timer: NodeJS.Timeout;
  const arm = (rest: number): void => {
    const step = Math.min(rest, TIMER_MS_MAX);
    timer = setTimeout(() => {
      if (rest > step) arm(rest - step);
      else onPassed();
    }, step);
  };
  arm(ms);
  return () => {
    clearTimeout(timer);
  };
}
