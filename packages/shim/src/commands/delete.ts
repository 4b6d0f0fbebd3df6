/**
 * The `delete` command: containerd calls it after each container's normal end, when nothing is left, and after a shim was lost, to end what it left.
 */
import path from 'node:path';
import { encodeDeleteResponse } from '../bootstrap/wire.ts';
import { readTaskRecord } from '../state/task-record.ts';
import type { ShimFlags } from './flags.ts';

/** What is reported of a container whose end nobody saw: it is killed. */
const KILLED_STATUS = 137;

/** Kills and removes what is left of a container and prints how it ended. */
export async function deleteContainer(flags: ShimFlags): Promise<void> {
  const bundle = path.resolve(flags.bundle === '' ? process.cwd() : flags.bundle);
  const record = readTaskRecord(bundle);
  const nothing = { pid: 0, exitStatus: KILLED_STATUS, exitedAtNanos: BigInt(Date.now()) * 1_000_000n };
  if (record === undefined) {
    process.stdout.write(encodeDeleteResponse(nothing));
    return;
  }
  const { cleanUp } = await import('../task/clean-up.ts');
  process.stdout.write(encodeDeleteResponse(await cleanUp(bundle, record) ?? nothing));
}
