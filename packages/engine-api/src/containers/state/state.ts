/** What a container is doing, and how that is shown. */
import { humanDuration } from './human-duration.ts';

/** One probe of a health check. */
export interface HealthProbe {
  Start: string;
  End: string;
  ExitCode: number;
  Output: string;
}

/** The health of a container with a health check. */
export interface Health {
  Status: 'starting' | 'healthy' | 'unhealthy';
  FailingStreak: number;
  Log: HealthProbe[];
}

/** How a container's last run ended. */
export interface ExitRecord {
  readonly code: number;
  /** RFC 3339 with nanoseconds. */
  readonly at: string;
  readonly isOomKilled: boolean;
}

/**
 * The phases of a container's life. `exited` also covers a restart that is waiting (`restarting`), because what is known is the same.
 * A container that failed to start stays what it was and gains `error`.
 */
export type Phase =
  | { readonly kind: 'created' }
  | { readonly kind: 'running'; readonly pid: number; readonly startedAt: string; readonly isPaused: boolean; readonly isOomKilled: boolean }
  | { readonly kind: 'restarting'; readonly startedAt: string; readonly exit: ExitRecord }
  | { readonly kind: 'exited'; readonly startedAt: string; readonly exit: ExitRecord }
  | { readonly kind: 'dead'; readonly startedAt: string; readonly exit: ExitRecord };

/** The word for a state, in lists and filters. */
export type StatusWord = 'created' | 'running' | 'paused' | 'restarting' | 'removing' | 'exited' | 'dead';

/** A time that never was, as Go writes it. */
export const ZERO_TIME = '0001-01-01T00:00:00Z';

/** What else decides how a phase is shown. */
export interface StateExtras {
  readonly isRemoving: boolean;
  readonly health?: Health | undefined;
  /** A failed start's exit code and text. */
  readonly startError?: { readonly code: number; readonly message: string } | undefined;
}

/** The one word. */
export function statusWord(phase: Phase, isRemoving: boolean): StatusWord {
  if (isRemoving) return 'removing';
  if (phase.kind === 'running') return phase.isPaused ? 'paused' : 'running';
  return phase.kind;
}

/** The line `docker ps` shows. */
export function statusText(phase: Phase, extras: StateExtras, nowMs: number): string {
  if (extras.isRemoving) return 'Removal In Progress';
  switch (phase.kind) {
    case 'created':
      return 'Created';
    case 'running':
      return `Up ${humanDuration(nowMs - Date.parse(phase.startedAt))}${runningSuffix(phase.isPaused, extras.health)}`;
    case 'restarting':
      return `Restarting (${phase.exit.code}) ${humanDuration(nowMs - Date.parse(phase.exit.at))} ago`;
    case 'exited':
      return `Exited (${phase.exit.code}) ${humanDuration(nowMs - Date.parse(phase.exit.at))} ago`;
    case 'dead':
      return 'Dead';
  }
}

function runningSuffix(isPaused: boolean, health: Health | undefined): string {
  if (isPaused) return ' (Paused)';
  if (!health) return '';
  return health.Status === 'starting' ? ' (health: starting)' : ` (${health.Status})`;
}

/** `State` of an inspected container. */
export interface InspectedState {
  Status: StatusWord;
  Running: boolean;
  Paused: boolean;
  Restarting: boolean;
  OOMKilled: boolean;
  Dead: boolean;
  Pid: number;
  ExitCode: number;
  Error: string;
  StartedAt: string;
  FinishedAt: string;
  Health?: Health;
}

/** Renders `State`. */
export function inspectState(phase: Phase, extras: StateExtras, lastExit: ExitRecord | undefined): InspectedState {
  const exit = phase.kind === 'running' ? undefined : lastExit;
  return {
    Status: statusWord(phase, extras.isRemoving),
    Running: phase.kind === 'running' || phase.kind === 'restarting',
    Paused: phase.kind === 'running' && phase.isPaused,
    Restarting: phase.kind === 'restarting',
    OOMKilled: phase.kind === 'running' ? phase.isOomKilled : (exit?.isOomKilled ?? false),
    Dead: phase.kind === 'dead',
    Pid: phase.kind === 'running' ? phase.pid : 0,
    ExitCode: extras.startError?.code ?? exit?.code ?? 0,
    Error: extras.startError?.message ?? '',
    StartedAt: phase.kind === 'created' ? ZERO_TIME : phase.startedAt,
    FinishedAt: lastExit?.at ?? ZERO_TIME,
    ...(extras.health ? { Health: extras.health } : {}),
  };
}
