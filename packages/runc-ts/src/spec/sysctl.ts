import { invalidSpec } from '../errors.ts';
import { isPrivate, type NamespaceUses } from './namespaces.ts';

const IPC_NAMES = new Set(['kernel.msgmax', 'kernel.msgmnb', 'kernel.msgmni', 'kernel.sem', 'kernel.shmall', 'kernel.shmmax', 'kernel.shmmni', 'kernel.shm_rmid_forced']);

/**
 * Refuses kernel parameters that are not the container's own: only those of a namespace that differs from the host's may be written.
 * @throws RuncError `invalid_argument`.
 */
export function validateSysctls(sysctls: Readonly<Record<string, string>>, uses: NamespaceUses): void {
  for (const given of Object.keys(sysctls)) {
    const name = dotted(given);
    if (IPC_NAMES.has(name) || name.startsWith('fs.mqueue.')) {
      if (!isPrivate(uses, 'ipc')) throw invalidSpec(`sysctl ${JSON.stringify(given)} is not allowed in the hosts ipc namespace`);
    } else if (name.startsWith('net.')) {
      if (!isPrivate(uses, 'network')) throw invalidSpec(`sysctl ${JSON.stringify(given)} not allowed in host network namespace`);
    } else if (name === 'kernel.domainname') {
      if (!isPrivate(uses, 'uts')) throw invalidSpec(`sysctl ${JSON.stringify(given)} is not allowed in the hosts uts namespace`);
    } else if (name === 'kernel.hostname') {
      throw invalidSpec(`sysctl ${JSON.stringify(given)} is not allowed as it conflicts with the OCI "hostname" field`);
    } else if (!(name.startsWith('user.') && isPrivate(uses, 'user'))) {
      throw invalidSpec(`sysctl ${JSON.stringify(given)} is not in a separate kernel namespace`);
    }
  }
}

/**
 * The dotted form of a name. Whichever of "." and "/" comes first separates; the other then stands for a literal dot (sysctl.d(5)).
 */
function dotted(name: string): string {
  const first = /[./]/.exec(name)?.[0];
  if (first !== '/') return name;
  return name.replace(/[./]/g, (character) => (character === '/' ? '.' : '/'));
}
