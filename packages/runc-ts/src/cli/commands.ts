import type { Command, CommandContext } from './command.ts';
import type { FlagDefinition } from './flags.ts';

const ONE = { min: 1, max: 1 };
const ID = '<container-id>';

const BUNDLE = flag(['bundle', 'b'], 'text', 'directory of the bundle; the current one by default');
const CONSOLE_SOCKET = flag(['console-socket'], 'text', "unix socket that gets the master side of the container's terminal");
const PIDFD_SOCKET = flag(['pidfd-socket'], 'text', 'unix socket that gets a descriptor of the process', { isHidden: true });
const PID_FILE = flag(['pid-file'], 'text', 'file to write the process id to');
const PRESERVE_FDS = flag(['preserve-fds'], 'integer', 'how many descriptors after standard error (and those of LISTEN_FDS) the process keeps', { fallback: '0' });
const NO_PIVOT = flag(['no-pivot'], 'boolean', 'do not use pivot_root; for a rootfs on a ramdisk');
const NO_KEYRING = flag(['no-new-keyring'], 'boolean', "keep the caller's session keyring");
const NO_SUBREAPER = flag(['no-subreaper'], 'boolean', 'accepted for compatibility: orphans are never adopted');
const DETACH = flag(['detach', 'd'], 'boolean', 'return when the process runs');

/** All verbs. What a verb needs is loaded when it is used. */
export const COMMANDS: readonly Command[] = [
  { name: 'checkpoint', summary: 'checkpoint a running container', usage: ID, flags: checkpointFlags(), count: ONE, run: async (context) => (await import('./verbs.ts')).checkpoint(context) },
  {
    name: 'create',
    summary: 'create a container',
    usage: ID,
    description: 'Makes a container of a bundle (a directory with config.json and a root file system). Its program runs after "start".',
    flags: [BUNDLE, CONSOLE_SOCKET, PIDFD_SOCKET, PID_FILE, NO_PIVOT, NO_KEYRING, PRESERVE_FDS],
    count: ONE,
    failurePrefix: 'runc create failed',
    run: async (context) => (await import('./run.ts')).create(context),
  },
  {
    name: 'delete',
    summary: 'delete a container that has stopped',
    usage: ID,
    flags: [flag(['force', 'f'], 'boolean', 'kill the container first if it still runs')],
    count: ONE,
    run: async (context) => (await import('./verbs.ts')).remove(context),
  },
  {
    name: 'events',
    summary: 'print resource usage and out-of-memory events of a container',
    usage: ID,
    flags: [flag(['interval'], 'duration', 'time between two statistics', { fallback: '5s' }), flag(['stats'], 'boolean', 'print the statistics once')],
    count: ONE,
    run: async (context) => (await import('./events.ts')).events(context),
  },
  {
    name: 'exec',
    summary: 'run one more process in a container',
    usage: '<container-id> <command> [command options]  || -p process.json <container-id>',
    flags: execFlags(),
    count: { min: 1, max: Infinity },
    failurePrefix: 'exec failed',
    failureStatus: 255,
    run: async (context) => (await import('./exec.ts')).exec(context),
  },
  {
    name: 'kill',
    summary: "send a signal (default: SIGTERM) to a container's init",
    usage: '<container-id> [signal]',
    flags: [flag(['all', 'a'], 'boolean', 'send the signal to all processes of the container')],
    count: { min: 1, max: 2 },
    run: async (context) => (await import('./verbs.ts')).kill(context),
  },
  {
    name: 'list',
    summary: 'list the containers of the root',
    usage: '',
    flags: [flag(['format', 'f'], 'text', 'table or json', { fallback: '"table"' }), flag(['quiet', 'q'], 'boolean', 'print ids only')],
    count: { min: 0, max: 0 },
    run: async (context) => (await import('./verbs.ts')).list(context),
  },
  simple('pause', "stop all of a container's processes", async (context) => (await import('./verbs.ts')).pause(context)),
  {
    name: 'ps',
    summary: 'list the processes of a container',
    usage: '<container-id> [ps options]',
    flags: [flag(['format', 'f'], 'text', 'table or json', { fallback: '"table"' })],
    count: { min: 1, max: Infinity },
    run: async (context) => (await import('./verbs.ts')).ps(context),
  },
  { name: 'restore', summary: 'restore a container from a checkpoint', usage: ID, flags: restoreFlags(), count: ONE, run: async (context) => (await import('./verbs.ts')).restore(context) },
  simple('resume', 'let the processes of a paused container go on', async (context) => (await import('./verbs.ts')).resume(context)),
  {
    name: 'run',
    summary: 'create and start a container',
    usage: ID,
    flags: [BUNDLE, CONSOLE_SOCKET, PIDFD_SOCKET, DETACH, flag(['keep'], 'boolean', 'do not delete the container when it has ended'), PID_FILE, NO_SUBREAPER, NO_PIVOT, NO_KEYRING, PRESERVE_FDS],
    count: ONE,
    failurePrefix: 'runc run failed',
    run: async (context) => (await import('./run.ts')).run(context),
  },
  {
    name: 'spec',
    summary: 'write a configuration to begin with',
    usage: '',
    flags: [flag(['bundle', 'b'], 'text', 'directory of the bundle'), flag(['rootless'], 'boolean', 'for a container of an unprivileged user')],
    count: { min: 0, max: 0 },
    run: async (context) => (await import('./verbs.ts')).spec(context),
  },
  simple('start', 'run the program of a created container', async (context) => (await import('./verbs.ts')).start(context)),
  simple('state', 'print the state of a container', async (context) => (await import('./verbs.ts')).state(context)),
  {
    name: 'update',
    summary: 'change the resource limits of a container',
    usage: ID,
    flags: updateFlags(),
    count: ONE,
    run: async (context) => (await import('./update.ts')).update(context),
  },
  { name: 'features', summary: 'print what this runtime supports', usage: '', flags: [], count: { min: 0, max: 0 }, run: async (context) => (await import('./verbs.ts')).features(context) },
];

/** Flags in front of the verb. */
export const GLOBAL_FLAGS: readonly FlagDefinition[] = [
  flag(['debug'], 'boolean', 'write debug messages to the log'),
  flag(['log'], 'text', "file of the log (default is '/dev/stderr')"),
  flag(['log-format'], 'text', 'text or json', { fallback: '"text"' }),
  flag(['root'], 'text', 'directory of the state, on a tmpfs', { fallback: '"/run/runc"' }),
  flag(['criu'], 'text', 'accepted for compatibility', { isHidden: true }),
  flag(['systemd-cgroup'], 'boolean', 'let systemd manage cgroups'),
  flag(['rootless'], 'text', 'forgive errors of permission on cgroups: true, false or auto', { fallback: '"auto"' }),
  flag(['help', 'h'], 'boolean', 'show help'),
  flag(['version', 'v'], 'boolean', 'print the version'),
];

function execFlags(): FlagDefinition[] {
  return [
    CONSOLE_SOCKET,
    PIDFD_SOCKET,
    flag(['cwd'], 'text', 'working directory in the container'),
    flag(['env', 'e'], 'texts', 'set an environment variable'),
    flag(['tty', 't'], 'boolean', 'give the process a terminal'),
    flag(['user', 'u'], 'text', 'UID (format: <uid>[:<gid>])'),
    flag(['additional-gids', 'g'], 'texts', 'additional group ids'),
    flag(['process', 'p'], 'text', 'file with the process as JSON'),
    DETACH,
    PID_FILE,
    flag(['process-label'], 'text', 'SELinux label of the process'),
    flag(['apparmor'], 'text', 'AppArmor profile of the process'),
    flag(['no-new-privs'], 'boolean', 'set no_new_privs for the process'),
    flag(['cap', 'c'], 'texts', 'give the process one more capability'),
    PRESERVE_FDS,
    flag(['cgroup'], 'texts', 'run the process in a cgroup below the container\'s: [<controller>:]<path>'),
    flag(['ignore-paused'], 'boolean', 'allow it in a paused container'),
  ];
}

function updateFlags(): FlagDefinition[] {
  const texts: readonly (readonly [string, string])[] = [
    ['blkio-weight', 'block I/O weight, 10 to 1000'],
    ['cpu-period', 'CPU period in microseconds'],
    ['cpu-quota', 'CPU time per period in microseconds'],
    ['cpu-burst', 'CPU burst in microseconds'],
    ['cpu-share', 'CPU shares'],
    ['cpu-rt-period', 'CPU realtime period in microseconds'],
    ['cpu-rt-runtime', 'CPU realtime runtime in microseconds'],
    ['cpuset-cpus', 'CPUs to use'],
    ['cpuset-mems', 'memory nodes to use'],
    ['memory', 'memory limit in bytes'],
    ['memory-reservation', 'memory soft limit in bytes'],
    ['memory-swap', 'limit of memory and swap together; -1 is unlimited'],
    ['cpu-idle', '1 for the idle scheduling class'],
    ['l3-cache-schema', 'cache schema of Intel RDT'],
    ['mem-bw-schema', 'memory bandwidth schema of Intel RDT'],
  ];
  return [
    flag(['resources', 'r'], 'text', "file with the resources as JSON, or '-' for standard input; other flags are ignored then"),
    ...texts.map(([name, usage]) => flag([name], 'text', usage)),
    flag(['kernel-memory'], 'text', 'obsolete, ignored', { isHidden: true }),
    flag(['kernel-memory-tcp'], 'text', 'obsolete, ignored', { isHidden: true }),
    flag(['pids-limit'], 'integer', 'how many processes may exist', { fallback: '0' }),
  ];
}

function checkpointFlags(): FlagDefinition[] {
  const texts = ['image-path', 'work-path', 'parent-path', 'page-server', 'manage-cgroups-mode', 'empty-ns', 'status-fd'];
  const booleans = ['leave-running', 'tcp-established', 'tcp-skip-in-flight', 'link-remap', 'ext-unix-sk', 'shell-job', 'lazy-pages', 'file-locks', 'pre-dump', 'auto-dedup'];
  return [...texts.map((name) => flag([name], 'text', 'as runc')), ...booleans.map((name) => flag([name], 'boolean', 'as runc'))];
}

function restoreFlags(): FlagDefinition[] {
  return [...checkpointFlags(), BUNDLE, DETACH, PID_FILE, NO_SUBREAPER, NO_PIVOT, CONSOLE_SOCKET, flag(['lsm-profile'], 'text', 'as runc'), flag(['lsm-mount-context'], 'text', 'as runc')];
}

function simple(name: string, summary: string, run: (context: CommandContext) => Promise<number>): Command {
  return { name, summary, usage: ID, flags: [], count: ONE, run };
}

function flag(names: readonly string[], kind: FlagDefinition['kind'], usage: string, more: { readonly fallback?: string; readonly isHidden?: boolean } = {}): FlagDefinition {
  return { names, kind, usage, ...more };
}
