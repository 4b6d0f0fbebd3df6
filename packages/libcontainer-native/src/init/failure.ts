import { LibcontainerError, errnoKind, errnoName, errnoText } from '../errors.ts';

/** What `dray-init` says about a step that failed, or that it went on without. */
export interface InitTrouble {
  /** The step's name: "plan", "cgroup", "setns", "clone", "mount", "lookup-path", "exec", … */
  readonly step: string;
  /** Positive errno. */
  readonly errno: number;
  /** What it was about: a path, a name; for mounts "source\ntarget". */
  readonly detail: string;
}

/** A warning: the step was left out. */
export interface InitWarning extends InitTrouble {
  readonly message: string;
}

/** Says what failed, in the original's words where it has some that others look for. */
export function describeTrouble({ step, errno, detail }: InitTrouble): string {
  const text = errnoText(errno);
  const [source = '', target = ''] = detail.split('\n');
  switch (step) {
    case 'lookup-path': return `exec: ${JSON.stringify(detail)}: executable file not found in $PATH`;
    case 'lookup-stat': return `exec: ${JSON.stringify(detail)}: stat ${detail}: ${text}`;
    case 'lookup': return `exec: ${JSON.stringify(detail)}: ${text}`;
    case 'exec': return `exec ${detail}: ${text}`;
    case 'chdir': return `chdir to cwd (${JSON.stringify(detail)}) set in config.json failed: ${text}`;
    case 'cwd-outside': return 'current working directory is outside of container mount namespace root -- possible container breakout detected';
    case 'cwd': return `mkdir ${detail}: ${text}`;
    case 'mount':
    case 'mount-target': return `error mounting ${JSON.stringify(source)} to rootfs at ${JSON.stringify(target)}: ${target === '/proc' || target === '/sys' ? mountTargetText(errno, target) : text}`;
    case 'mount-source': return `error mounting ${JSON.stringify(detail)}: ${text}`;
    case 'hook': return `error running hook: ${detail}${errno === ECANCELED ? '' : `: ${text}`}`;
    case 'sysctl': return `error setting sysctl ${JSON.stringify(detail.replaceAll('/', '.'))}: ${text}`;
    case 'rlimit': return `error setting rlimit type ${detail}: ${text}`;
    case 'masked-path': return `can't mask path ${JSON.stringify(detail)}: ${text}`;
    case 'readonly-path': return `can't make ${JSON.stringify(detail)} read-only: ${text}`;
    case 'oom-score-adj': return `failed to set oom_score_adj to ${detail}: ${text}`;
    default: return `${step} ${detail}: ${text}`;
  }
}

const ECANCELED = 125;
const ELOOP = 40;

function mountTargetText(errno: number, target: string): string {
  return errno === ELOOP ? `filesystem at ${JSON.stringify(target)} must be mounted on ordinary directory` : errnoText(errno);
}

/**
 * The error for a failed step. `code` is `EXEC_NOT_FOUND` (exit code 127 by custom) or `EXEC_NOT_EXECUTABLE` (126) when the program is at fault,
 * `CWD_OUTSIDE` for an attempted escape, `PLAN_INVALID` for a refused plan, else the errno name.
 */
export function initError(trouble: InitTrouble): LibcontainerError {
  const { step, errno } = trouble;
  return new LibcontainerError({ kind: errnoKind(errno), code: troubleCode(trouble), message: describeTrouble(trouble), errno, step, path: trouble.detail });
}

function troubleCode({ step, errno }: InitTrouble): string {
  const name = errnoName(errno);
  const isProgram = step.startsWith('lookup') || step === 'exec';
  if (isProgram && (name === 'ENOENT' || name === 'ENOTDIR')) return 'EXEC_NOT_FOUND';
  if (isProgram) return 'EXEC_NOT_EXECUTABLE';
  if (step === 'cwd-outside') return 'CWD_OUTSIDE';
  return step === 'plan' ? 'PLAN_INVALID' : name;
}
