/** The command line of dray-monitor, and what it leaves on disk. */
import { LibcontainerError } from '../errors.ts';

/** How a monitor is to be started. Paths are absolute. */
export interface MonitorOptions {
  /** Where the monitor listens for clients; a folder only root may enter. */
  readonly control?: string;
  /** A descriptor of the monitor's that is a connected control client. */
  readonly controlFd?: number;
  /** Where the exit status is kept, as JSON, written whole or not at all. */
  readonly exitFile?: string;
  /** A descriptor of the monitor's that is the command's program; the command's first word is then only its name. */
  readonly execFd?: number;
  /** Read when the command has succeeded: the process to watch. Without it a client names the process. */
  readonly pidFile?: string;
  /** Gets one line when the monitor cannot do its work. */
  readonly log?: string;
  /** Where the command's runtime is to send the terminal's master; its presence says that there is a terminal. */
  readonly consoleSocket?: string;
  /** stdio URIs: a FIFO's path, `fifo://`, `file://`, `binary://`, or empty for /dev/null. */
  readonly stdin?: string;
  readonly stdout?: string;
  readonly stderr?: string;
  /** Told to foreign loggers. */
  readonly id?: string;
  readonly namespace?: string;
  /** Owner of the pipes. */
  readonly ioUid?: number;
  readonly ioGid?: number;
}

const flags: readonly (readonly [keyof MonitorOptions, string])[] = [
  ['control', '--control'], ['controlFd', '--control-fd'], ['execFd', '--exec-fd'], ['exitFile', '--exit-file'], ['pidFile', '--pid-file'], ['log', '--log'], ['consoleSocket', '--console-socket'],
  ['stdin', '--stdin'], ['stdout', '--stdout'], ['stderr', '--stderr'], ['id', '--id'], ['namespace', '--namespace'], ['ioUid', '--io-uid'], ['ioGid', '--io-gid'],
];

/**
 * The arguments that go before a command's own, `--` included and `dray-monitor` itself left out.
 * @example
 * spawn(monitorPath, [...monitorArguments({ control: `${bundle}/monitor.sock`, stdout: fifo }), runtime, 'create', id]);
 */
export function monitorArguments(options: MonitorOptions): string[] {
  const args: string[] = [];
  for (const [key, flag] of flags) {
    const value = options[key];
    if (value !== undefined && value !== '') args.push(flag, String(value));
  }
  args.push('--');
  return args;
}

/** What a monitor wrote into its exit file. */
export interface MonitorExit {
  readonly pid: number;
  readonly exitStatus: number;
  /** Nanoseconds since 1970. */
  readonly exitedAtNanos: bigint;
  readonly oomKills: number;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/**
 * Reads the text of an exit file.
 * @throws LibcontainerError `internal` MONITOR_EXIT_FILE for anything but what a monitor of this version writes
 */
export function parseMonitorExit(text: string): MonitorExit {
  let fields: unknown;
  try {
    fields = JSON.parse(text);
  } catch {
    fields = undefined;
  }
  if (typeof fields === 'object' && fields !== null && 'version' in fields && fields.version === 1 && 'pid' in fields && 'exitStatus' in fields && 'exitedAt' in fields && 'oomKills' in fields) {
    const { pid, exitStatus, exitedAt, oomKills } = fields;
    if (isCount(pid) && isCount(exitStatus) && isCount(oomKills) && typeof exitedAt === 'string' && /^\d{1,19}$/.test(exitedAt)) {
      return { pid, exitStatus, exitedAtNanos: BigInt(exitedAt), oomKills };
    }
  }
  throw new LibcontainerError({ kind: 'internal', code: 'MONITOR_EXIT_FILE', message: `cannot understand a monitor's exit file: ${JSON.stringify(text.slice(0, 100))}` });
}
