/** Health checks: probes run inside the container and what they say about it. */
import { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../errors.ts';
import { nowNanos } from '../../events/index.ts';
import type { HealthConfig } from '../create/types.ts';
import { createExec, startExec } from '../exec/exec.ts';
import type { Health, HealthProbe } from '../state/state.ts';
import { formatNanos } from '../state/timestamps.ts';
import type { Container, Run } from './container.ts';
import { publish, type Engine } from './engine.ts';

const NANOS_PER_MS = 1_000_000;
const OUTPUT_BYTES_MAX = 4096;
const LOG_COUNT_MAX = 5;
/** Docker's code for a probe that took too long. */
const TIMED_OUT = -1;

/** How to probe, defaults filled in. */
export interface HealthPlan {
  readonly command: readonly string[];
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly startPeriodMs: number;
  readonly startIntervalMs: number;
  readonly retries: number;
}

/** The plan of a configuration; `undefined` when there is nothing to probe. */
export function healthPlan(config: HealthConfig | null, shell: readonly string[] | null): HealthPlan | undefined {
  const [kind, ...words] = config?.Test ?? [];
  if (!config || kind === undefined || kind === 'NONE' || words.length === 0) return undefined;
  const ms = (nanos: number, fallback: number): number => (nanos === 0 ? fallback : nanos / NANOS_PER_MS);
  return {
    command: kind === 'CMD-SHELL' ? [...(shell?.length ? shell : ['/bin/sh', '-c']), ...words] : words,
    intervalMs: ms(config.Interval, 30_000), timeoutMs: ms(config.Timeout, 30_000), startPeriodMs: ms(config.StartPeriod, 0),
    startIntervalMs: ms(config.StartInterval, 5000), retries: config.Retries || 3,
  };
}

/** What a probe's result makes of the health. A failure within the start period does not count. */
export function nextHealth(health: Health, probe: HealthProbe, plan: Pick<HealthPlan, 'retries'>, isStarting: boolean): Health {
  const Log = [...health.Log, probe].slice(-LOG_COUNT_MAX);
  if (probe.ExitCode === 0) return { Status: 'healthy', FailingStreak: 0, Log };
  if (isStarting && health.Status === 'starting') return { ...health, Log };
  const FailingStreak = health.FailingStreak + 1;
  return { Status: FailingStreak >= plan.retries ? 'unhealthy' : health.Status, FailingStreak, Log };
}

/** Begins to probe, if the container has a health check. */
export function startHealth(engine: Engine, container: Container, run: Run): void {
  const plan = healthPlan(container.record.config.Healthcheck, container.record.config.Shell);
  container.health = plan && { Status: 'starting', FailingStreak: 0, Log: [] };
  if (!plan) return;
  probeAgainAndAgain(engine, container, run, plan).catch((err: unknown) => {
    if (!run.watch.signal.aborted) engine.context.logger.error({ containerId: container.id, err }, 'cannot check the health of a container');
  });
}

/** Ends probing; the probes' results stay visible, and a container that does not run is not healthy. */
export function stopHealth(container: Container): void {
  if (container.health) container.health = { ...container.health, Status: 'unhealthy' };
}

async function probeAgainAndAgain(engine: Engine, container: Container, run: Run, plan: HealthPlan): Promise<void> {
  const isStarting = (): boolean => performance.now() - run.startedMs < plan.startPeriodMs;
  for (;;) {
    const isEager = container.health?.Status === 'starting' && isStarting();
    await delay(isEager ? plan.startIntervalMs : plan.intervalMs, undefined, { signal: run.watch.signal, ref: false });
    if (container.isPaused) continue;
    const beganInStart = isStarting();
    const probe = await runProbe(engine, container, plan);
    if (container.run !== run || !container.health) return;
    const before = container.health.Status;
    container.health = nextHealth(container.health, probe, plan, beganInStart);
    if (container.health.Status !== before) publish(engine, container, `health_status: ${container.health.Status}`);
  }
}

async function runProbe(engine: Engine, container: Container, plan: HealthPlan): Promise<HealthProbe> {
  const start = formatNanos(nowNanos());
  const output = new OutputSink();
  const finish = (ExitCode: number, Output: string): HealthProbe => ({ Start: start, End: formatNanos(nowNanos()), ExitCode, Output });
  try {
    const exec = await createExec(engine, container, {
      Cmd: plan.command, User: container.record.config.User, Privileged: false, Tty: false, ConsoleSize: null, AttachStdin: false, AttachStdout: true, AttachStderr: true,
      DetachKeys: '', Env: [], WorkingDir: '',
    });
    const ended = startExec(engine, exec, { client: output, hasStdin: false, output: { stdout: true, stderr: true, isFramed: false }, detachKeys: undefined });
    const late = new AbortController();
    const isLate = await Promise.race([Promise.all([ended, exec.exited]).then(() => false), delay(plan.timeoutMs, true, { signal: late.signal }).catch(() => false)]);
    late.abort();
    if (!isLate) return finish(exec.state.kind === 'exited' ? exec.state.code : TIMED_OUT, output.text);
    await engine.tasks.kill(container.id, 9, { execId: exec.id }).catch(() => undefined); // it may just have ended
    return finish(TIMED_OUT, `Health check exceeded timeout (${goDuration(plan.timeoutMs)})${output.text === '' ? '' : `: ${output.text}`}`);
  } catch (err) {
    return finish(TIMED_OUT, messageOf(err));
  }
}

function goDuration(ms: number): string {
  return ms < 1000 ? `${ms}ms` : `${ms / 1000}s`;
}

/** Takes a probe's output and keeps its beginning. */
class OutputSink extends Duplex {
  #kept = Buffer.alloc(0);

  get text(): string {
    return this.#kept.toString('utf8');
  }

  override _read(): void {
    // Nothing ever comes from here.
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (this.#kept.length < OUTPUT_BYTES_MAX) this.#kept = Buffer.concat([this.#kept, chunk]).subarray(0, OUTPUT_BYTES_MAX);
    done();
  }
}
