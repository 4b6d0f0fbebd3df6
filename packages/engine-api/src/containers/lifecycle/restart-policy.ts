import type { RestartPolicy } from '../create/types.ts';

/** What is known when a container has ended. */
export interface ExitFacts {
  readonly code: number;
  readonly isManuallyStopped: boolean;
  /** Automatic restarts since the last manual start. */
  readonly restartCount: number;
}

/** Whether a container that has just ended is started again. */
export function restartsAfterExit(policy: RestartPolicy, facts: ExitFacts): boolean {
  if (facts.isManuallyStopped) return false;
  switch (policy.Name) {
    case 'always':
    case 'unless-stopped':
      return true;
    case 'on-failure':
      return facts.code !== 0 && (policy.MaximumRetryCount === 0 || facts.restartCount < policy.MaximumRetryCount);
    default:
      return false;
  }
}

/** Whether a container that is not running is started when the daemon starts. */
export function restartsAtBoot(policy: RestartPolicy, facts: ExitFacts): boolean {
  if (policy.Name === 'always') return true;
  return restartsAfterExit(policy, facts);
}

const DELAY_MS_MIN = 100;
const DELAY_MS_MAX = 60_000;
/** A run that lasted this long counts as a success: the delay begins anew. */
const STABLE_MS = 10_000;

/** The delay before the next restart, from the one before and how long the run lasted. */
export function nextRestartDelayMs(previousMs: number, ranMs: number): number {
  if (previousMs === 0 || ranMs >= STABLE_MS) return DELAY_MS_MIN;
  return Math.min(previousMs * 2, DELAY_MS_MAX);
}
