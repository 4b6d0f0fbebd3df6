import { invalid } from '../../errors.ts';

/** What `--security-opt` says. */
export interface SecurityOptions {
  /** `unconfined`, `builtin` (also when absent), or a policy's JSON. */
  readonly seccomp: string;
  readonly isNoNewPrivileges: boolean;
  readonly apparmor: string | undefined;
}

/** Reads the list; `key=value` and the older `key:value` both count. @throws EngineApiError `invalid_argument` with Docker's words */
export function parseSecurityOptions(options: readonly string[] | null): SecurityOptions {
  const result = { seccomp: 'builtin', isNoNewPrivileges: false, apparmor: undefined as string | undefined };
  for (const option of options ?? []) {
    if (option === 'no-new-privileges') {
      result.isNoNewPrivileges = true;
      continue;
    }
    const [key, value] = splitOption(option);
    if (key === 'seccomp') result.seccomp = value;
    else if (key === 'apparmor') result.apparmor = value;
    else if (key === 'no-new-privileges') result.isNoNewPrivileges = parseTruth(option, value);
    else if (key !== 'label') throw invalid(`invalid --security-opt 2: ${JSON.stringify(option)}`);
  }
  return result;
}

function splitOption(option: string): [string, string] {
  const at = option.search(option.includes('=') ? /=/ : /:/);
  if (at === -1) throw invalid(`invalid --security-opt 1: ${JSON.stringify(option)}`);
  return [option.slice(0, at), option.slice(at + 1)];
}

function parseTruth(option: string, value: string): boolean {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(value)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(value)) return false;
  throw invalid(`invalid --security-opt 2: ${JSON.stringify(option)}`);
}
