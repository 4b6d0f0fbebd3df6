/** Follows containerd's events about tasks. */
import type { Engine } from './engine.ts';
import { resync } from './adopt.ts';
import { publish } from './engine.ts';
import { handleExit } from './exit.ts';

/** Deals with events until the daemon ends; survives restarts of containerd. */
export async function followTaskEvents(engine: Engine, signal: AbortSignal): Promise<void> {
  const { logger } = engine.context;
  const report = (err: unknown): void => { logger.error({ err }, 'cannot deal with an event of a task'); };
  const onConnected = (): void => { resync(engine).catch(report); };
  for await (const event of engine.tasks.events(signal, onConnected)) {
    if (event.kind === 'exit' && event.execId !== undefined) {
      engine.execs.ended(event.execId, event.exit);
      continue;
    }
    const container = engine.registry.byId(event.containerId);
    const run = container?.run ?? container?.starting;
    if (!container || !run) continue;
    if (event.kind === 'oom') {
      run.isOomKilled = true;
      publish(engine, container, 'oom');
    } else if (event.pid === run.pid) {
      handleExit(engine, container, run, event.exit).catch(report);
    }
  }
}
