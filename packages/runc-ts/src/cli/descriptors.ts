import { existsSync } from 'node:fs';
import { RuncError } from '../errors.ts';

/** Descriptors that a command hands on to the container's process, and what the process is told about them. */
export interface HandedDescriptors {
  readonly preserveFds: readonly number[];
  readonly listenFds: number;
  /** `LISTEN_FDS` and `LISTEN_FDNAMES`, where systemd's socket activation gave them. */
  readonly env: readonly string[];
}

const FIRST = 3;

/**
 * The descriptors of socket activation, then as many more as `--preserve-fds` says.
 * @throws RuncError `invalid_argument` (`NO_DESCRIPTOR`) for one that is not open.
 */
export function handedDescriptors(preserve: number, env: NodeJS.ProcessEnv = process.env): HandedDescriptors {
  const listen = /^\d{1,5}$/.test(env['LISTEN_FDS'] ?? '') ? Number(env['LISTEN_FDS']) : 0;
  const preserveFds = Array.from({ length: listen + Math.max(0, preserve) }, (_none, index) => FIRST + index);
  for (const fd of preserveFds) {
    if (!existsSync(`/proc/self/fd/${fd}`)) {
      throw new RuncError({ kind: 'invalid_argument', code: 'NO_DESCRIPTOR', message: `please check that preserved-fd ${fd - FIRST - listen} (of ${preserve}) is present: stat /proc/self/fd/${fd}: no such file or directory` });
    }
  }
  const names = env['LISTEN_FDNAMES'];
  return { preserveFds, listenFds: listen, env: listen === 0 ? [] : [`LISTEN_FDS=${listen}`, ...(names === undefined ? [] : [`LISTEN_FDNAMES=${names}`])] };
}
