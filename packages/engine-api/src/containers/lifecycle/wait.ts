import type { Container } from './container.ts';

/** For what `POST /containers/{id}/wait` waits. */
export type WaitCondition = 'not-running' | 'next-exit' | 'removed';

/** Resolves with the exit code once the condition holds; rejects with the signal's reason. A restart counts as an exit; removal wakes every waiter. */
export function waitFor(container: Container, condition: WaitCondition, signal: AbortSignal): Promise<number> {
  const lastCode = (): number => container.record.lastExit?.code ?? container.record.startError?.code ?? 0;
  const isIdle = container.record.phase.kind !== 'running' && container.record.phase.kind !== 'restarting';
  if (condition === 'not-running' && isIdle) return Promise.resolve(lastCode());
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      stop();
      reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
    };
    const settle = (code: number): void => {
      stop();
      resolve(code);
    };
    const stopListening = condition === 'removed' ? () => undefined : container.onExit((exit) => { settle(exit.code); });
    const stop = (): void => {
      stopListening();
      signal.removeEventListener('abort', onAbort);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    void container.removed.then(() => { settle(lastCode()); });
    if (signal.aborted) onAbort();
  });
}

/** The condition of a request's query; empty is `not-running`. `undefined` for words that are none. */
export function parseWaitCondition(text: string): WaitCondition | undefined {
  if (text === '') return 'not-running';
  return text === 'not-running' || text === 'next-exit' || text === 'removed' ? text : undefined;
}
