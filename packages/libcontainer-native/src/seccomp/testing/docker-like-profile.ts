import { findArchitecture, syscallNumbers } from '../architectures.ts';
import type { SeccompProfile } from '../profile.ts';

const DENIED = new Set([
  'add_key', 'bpf', 'clone', 'clone3', 'delete_module', 'finit_module', 'init_module', 'io_uring_enter', 'io_uring_register', 'io_uring_setup',
  'kexec_file_load', 'kexec_load', 'keyctl', 'mount', 'move_mount', 'open_tree', 'perf_event_open', 'personality', 'pivot_root', 'quotactl',
  'reboot', 'request_key', 'setns', 'socket', 'swapoff', 'swapon', 'umount2', 'unshare', 'uprobe', 'uretprobe', 'userfaultfd',
]);

/** A profile in the shape of Docker's default: a long allow list up to `newest`, a few argument rules, ENOSYS for clone3. */
export function dockerLikeProfile(newest = 446): SeccompProfile {
  const x86 = findArchitecture('SCMP_ARCH_X86_64');
  if (x86 === undefined || x86 === 'foreign') throw new Error('the x86_64 table is missing');
  const names = [...syscallNumbers(x86)].filter(([name, number]) => number <= newest && !DENIED.has(name)).map(([name]) => name);
  const allowed = [...names, 'waitpid', 'mmap2', 'socketcall', 'ipc', 'cacheflush', 'set_tls', 'not_a_call'];
  const personality = [0, 8, 0x20000, 0x20008, 0xffffffff].map((value) => ({
    names: ['personality'],
    action: 'SCMP_ACT_ALLOW',
    args: [{ index: 0, value, op: 'SCMP_CMP_EQ' }],
  }));
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: 1,
    architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
    syscalls: [
      { names: allowed, action: 'SCMP_ACT_ALLOW' },
      ...personality,
      { names: ['socket'], action: 'SCMP_ACT_ALLOW', args: [{ index: 0, value: 40, op: 'SCMP_CMP_NE' }] },
      { names: ['clone'], action: 'SCMP_ACT_ALLOW', args: [{ index: 0, value: 0x7e020000, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }] },
      { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: 38 },
    ],
  };
}
