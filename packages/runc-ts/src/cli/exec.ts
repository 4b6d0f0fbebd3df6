import { readFileSync } from 'node:fs';
import { RuncError } from '../errors.ts';
import { loadSpec, decodeProcess, parseJson } from '../spec/load.ts';
import type { ProcessSpec, UserSpec } from '../spec/types.ts';
import type { CommandContext } from './command.ts';
import { handedDescriptors } from './descriptors.ts';
import { Foreground } from './foreground.ts';
import { refuseConsoleSocket } from './run.ts';

const ID_MAX = 0x7fff_ffff;

/** `exec`: detached it ends when the program runs, else with the program's own status. */
export async function exec(context: CommandContext): Promise<number> {
  const { runtime, flags, args: [id = '', ...words] } = context;
  const processFile = flags.text('process');
  if (processFile !== undefined && words.length > 0) throw invalid('-p/--process and a command cannot be used together');
  const state = runtime.state(id);
  if (processFile === undefined && words.length === 0) throw invalid('process args cannot be empty');
  if (flags.texts('cgroup').length > 0) throw new RuncError({ kind: 'not_implemented', code: 'NOT_IMPLEMENTED', message: 'exec --cgroup is not implemented' });
  const handed = handedDescriptors(flags.integer('preserve-fds') ?? 0);
  const base = processFile === undefined ? commandProcess(context, state.bundle, words) : decodeProcess(parseJson(readFileSync(processFile, 'utf8')));
  const process = { ...base, env: [...(base.env ?? []), ...handed.env] };
  const pidFile = flags.text('pid-file');
  const options = {
    process,
    preserveFds: handed.preserveFds,
    listenFds: handed.listenFds,
    ignorePaused: flags.boolean('ignore-paused'),
    ...(pidFile === undefined || pidFile === '' ? {} : { pidFile }),
  };
  const consoleSocket = flags.text('console-socket');
  if (flags.boolean('detach')) {
    if ((process.terminal ?? false) && consoleSocket === undefined) throw invalid('cannot allocate tty if runc will detach without setting console socket');
    if (!(process.terminal ?? false) && consoleSocket !== undefined) throw invalid('cannot use console socket if runc will not detach or allocate tty');
    await runtime.exec(id, { ...options, ...(consoleSocket === undefined ? {} : { consoleSocket }) });
    return 0;
  }
  refuseConsoleSocket(consoleSocket);
  await using foreground = await Foreground.open(process.terminal ?? false);
  const { pid } = await runtime.exec(id, { ...options, ...foreground.startOptions });
  return await foreground.attend(pid);
}

/** The container's own process, with what the flags change. */
function commandProcess({ flags }: CommandContext, bundle: string, words: readonly string[]): ProcessSpec {
  const process = loadSpec(bundle).process;
  if (process === undefined) throw invalid('process property must not be empty');
  const apparmor = flags.text('apparmor');
  const label = flags.text('process-label');
  return {
    ...process,
    args: words,
    terminal: flags.boolean('tty'),
    cwd: flags.text('cwd') ?? process.cwd,
    env: [...(process.env ?? []), ...flags.texts('env')],
    user: userOf(process.user, flags.text('user'), flags.texts('additional-gids')),
    ...(apparmor === undefined ? {} : { apparmorProfile: apparmor }),
    ...(label === undefined ? {} : { selinuxLabel: label }),
    ...(flags.isSet('no-new-privs') ? { noNewPrivileges: flags.boolean('no-new-privs') } : {}),
    ...(flags.texts('cap').length === 0 ? {} : { capabilities: withCapabilities(process.capabilities ?? {}, flags.texts('cap')) }),
  };
}

/** Inheritable stays as it is: a capability there would be handed on to programs that never had it. */
function withCapabilities(capabilities: NonNullable<ProcessSpec['capabilities']>, extra: readonly string[]): NonNullable<ProcessSpec['capabilities']> {
  const join = (names: readonly string[] = []): string[] => [...new Set([...names, ...extra])];
  return {
    ...capabilities,
    bounding: join(capabilities.bounding),
    effective: join(capabilities.effective),
    permitted: join(capabilities.permitted),
    ...((capabilities.inheritable ?? []).length === 0 ? {} : { ambient: join(capabilities.ambient) }),
  };
}

/** `uid` or `uid:gid`, numbers only: a name must never be taken for one, nor a number for root. */
function userOf(user: UserSpec, text: string | undefined, additional: readonly string[]): UserSpec {
  const gids = additional.map((gid) => parseId(gid, 'gid'));
  const base = gids.length === 0 ? user : { ...user, additionalGids: [...(user.additionalGids ?? []), ...gids] };
  if (text === undefined || text === '') return base;
  const [uid = '', gid] = text.split(':');
  return { ...base, uid: parseId(uid, 'uid'), ...(gid === undefined ? {} : { gid: parseId(gid, 'gid') }) };
}

function parseId(text: string, kind: 'uid' | 'gid'): number {
  if (!/^\d{1,10}$/.test(text) || Number(text) > ID_MAX) throw invalid(`parsing ${text} as int for ${kind} failed: strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`);
  return Number(text);
}

function invalid(message: string): RuncError {
  return new RuncError({ kind: 'invalid_argument', code: 'INVALID_EXEC', message });
}
