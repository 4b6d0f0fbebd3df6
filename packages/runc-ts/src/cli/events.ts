import { setTimeout as sleep } from 'node:timers/promises';
import { RuncError } from '../errors.ts';
import type { CommandContext } from './command.ts';
import { parseDuration } from './flags.ts';
import { statsDocument } from './stats-document.ts';

const INTERVAL_DEFAULT = '5s';

/** `events`: statistics until the container ends, or once. */
export async function events({ runtime, flags, args: [id = ''], write }: CommandContext): Promise<number> {
  const intervalMs = parseDuration(flags.text('interval') ?? INTERVAL_DEFAULT) ?? 0;
  if (intervalMs <= 0) throw new RuncError({ kind: 'invalid_argument', code: 'INVALID_INTERVAL', message: 'duration interval must be greater than 0' });
  if (runtime.state(id).status === 'stopped') throw new RuncError({ kind: 'failed_precondition', code: 'NOT_RUNNING', message: `container with id ${id} is not running` });
  const printStats = (): void => {
    write(`${JSON.stringify({ type: 'stats', id, data: statsDocument(runtime.stats(id)) }, plainBigIntegers)}\n`);
  };
  if (flags.boolean('stats')) {
    printStats();
    return 0;
  }
  let oomKills = oomKillsOf(runtime, id);
  for (;;) {
    await sleep(intervalMs);
    if (!isRunning(runtime, id)) return 0;
    const now = oomKillsOf(runtime, id);
    if (now > oomKills) write(`${JSON.stringify({ type: 'oom', id })}\n`);
    oomKills = now;
    printStats();
  }
}

function isRunning(runtime: CommandContext['runtime'], id: string): boolean {
  try {
    return runtime.state(id).status !== 'stopped';
  } catch (error) {
    // Somebody deleted it meanwhile.
    if (error instanceof Error && 'code' in error && error.code === 'NO_CONTAINER') return false;
    throw error;
  }
}

function oomKillsOf(runtime: CommandContext['runtime'], id: string): bigint {
  return runtime.stats(id).memory?.events?.['oom_kill'] ?? 0n;
}

const rawJson = (JSON as unknown as { rawJSON: (text: string) => unknown }).rawJSON;

function plainBigIntegers(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? rawJson(String(value)) : value;
}
