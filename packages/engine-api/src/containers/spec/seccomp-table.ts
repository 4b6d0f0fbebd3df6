/**
 * Docker's default system call policy as data. A call that no rule allows answers EPERM. The facts are those of moby's default profile (the release notes
 * of 2026); the grouping is ours.
 */

/** A condition on the calls of one rule. */
export interface SeccompArg {
  readonly index: number;
  readonly value: number;
  readonly valueTwo?: number;
  readonly op: 'SCMP_CMP_NE' | 'SCMP_CMP_LT' | 'SCMP_CMP_LE' | 'SCMP_CMP_EQ' | 'SCMP_CMP_GE' | 'SCMP_CMP_GT' | 'SCMP_CMP_MASKED_EQ';
}

/** When a rule takes part: all of `caps` given, none of `withoutCaps` given, on one of `arches`, from kernel `minKernel` on. */
export interface SeccompRule {
  readonly names: string;
  readonly args?: readonly SeccompArg[];
  readonly caps?: readonly string[];
  readonly withoutCaps?: readonly string[];
  readonly arches?: readonly string[];
  readonly withoutArches?: readonly string[];
  readonly minKernel?: readonly [number, number];
  /** Answer this errno instead of allowing. */
  readonly errno?: number;
}

/** Calls every container may make, by what they are about. */
const ALWAYS: Readonly<Record<string, string>> = {
  opening: 'open openat openat2 creat close close_range dup dup2 dup3 access faccessat faccessat2 name_to_handle_at memfd_create memfd_secret pipe pipe2',
  transfer:
    'read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 sendfile sendfile64 splice tee vmsplice copy_file_range lseek _llseek readahead ' +
    'fadvise64 fadvise64_64 sync fsync fdatasync syncfs sync_file_range',
  asynchronous: 'io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents io_pgetevents_time64',
  sizes: 'truncate truncate64 ftruncate ftruncate64 fallocate cachestat',
  status:
    'stat stat64 lstat lstat64 fstat fstat64 fstatat64 newfstatat statx statfs statfs64 fstatfs fstatfs64 utime utimes utimensat utimensat_time64 futimesat',
  names:
    'link linkat symlink symlinkat unlink unlinkat rename renameat renameat2 mkdir mkdirat rmdir mknod mknodat readlink readlinkat getcwd chdir fchdir getdents getdents64 readdir',
  owners: 'chmod fchmod fchmodat fchmodat2 chown chown32 lchown lchown32 fchown fchown32 fchownat umask',
  attributes:
    'getxattr lgetxattr fgetxattr getxattrat setxattr lsetxattr fsetxattr setxattrat listxattr llistxattr flistxattr listxattrat removexattr lremovexattr fremovexattr removexattrat',
  control: 'fcntl fcntl64 ioctl flock inotify_init inotify_init1 inotify_add_watch inotify_rm_watch fanotify_mark',
  waiting:
    'select _newselect pselect6 pselect6_time64 poll ppoll ppoll_time64 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_wait epoll_wait_old ' +
    'epoll_pwait epoll_pwait2 eventfd eventfd2 signalfd signalfd4 pause',
  memory:
    'brk mmap mmap2 munmap mremap mprotect msync mincore madvise mlock mlock2 mlockall munlock munlockall remap_file_pages membarrier mseal map_shadow_stack ' +
    'pkey_alloc pkey_free pkey_mprotect',
  processes:
    'fork vfork execve execveat exit exit_group wait4 waitid waitpid kill tkill tgkill pidfd_open pidfd_send_signal process_mrelease getpid getppid gettid ' +
    'getpgid getpgrp setpgid getsid setsid prctl seccomp uretprobe rseq set_tid_address set_thread_area get_thread_area restart_syscall',
  locking: 'futex futex_time64 futex_requeue futex_wait futex_wake futex_waitv get_robust_list set_robust_list',
  signals:
    'sigaction sigpending sigprocmask sigreturn sigsuspend signal sigaltstack rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn ' +
    'rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo',
  identity:
    'getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 getgroups getgroups32 getresuid getresuid32 getresgid getresgid32 setuid setuid32 ' +
    'setgid setgid32 setgroups setgroups32 setreuid setreuid32 setregid setregid32 setresuid setresuid32 setresgid setresgid32 setfsuid setfsuid32 setfsgid ' +
    'setfsgid32 capget capset landlock_create_ruleset landlock_add_rule landlock_restrict_self',
  scheduling:
    'sched_get_priority_max sched_get_priority_min sched_getaffinity sched_setaffinity sched_getattr sched_setattr sched_getparam sched_setparam ' +
    'sched_getscheduler sched_setscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_yield getcpu getpriority setpriority ioprio_get ioprio_set',
  limits: 'getrlimit ugetrlimit setrlimit prlimit64 getrusage times sysinfo uname',
  time:
    'time gettimeofday adjtimex clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep ' +
    'clock_nanosleep_time64 nanosleep alarm getitimer setitimer timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime ' +
    'timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64',
  sockets:
    'accept accept4 bind connect listen getpeername getsockname getsockopt setsockopt recv recvfrom recvmsg recvmmsg recvmmsg_time64 send sendto sendmsg ' +
    'sendmmsg shutdown socketpair socketcall',
  systemV:
    'ipc msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget mq_getsetattr mq_notify mq_open ' +
    'mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink',
  randomness: 'getrandom',
};

/** Namespace-making flags of clone(2): mount, cgroup, UTS, IPC, user, PID and network. */
const CLONE_NAMESPACE_FLAGS = 0x7e02_0000;
const ENOSYS = 38;
const equal = (index: number, value: number): SeccompArg => ({ index, value, op: 'SCMP_CMP_EQ' });

/** All rules, in order. */
export const SECCOMP_RULES: readonly SeccompRule[] = [
  { names: Object.values(ALWAYS).join(' ') },
  { names: 'process_vm_readv process_vm_writev ptrace', minKernel: [4, 8] },
  // Address families above AF_IB but AF_MCTP leave AF_ALG (38) and AF_VSOCK (40) out.
  { names: 'socket', args: [{ index: 0, value: 38, op: 'SCMP_CMP_LT' }] },
  { names: 'socket', args: [equal(0, 39)] },
  { names: 'socket', args: [{ index: 0, value: 40, op: 'SCMP_CMP_GT' }] },
  ...[0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff].map((persona): SeccompRule => ({ names: 'personality', args: [equal(0, persona)] })),
  { names: 'sync_file_range2 swapcontext', arches: ['ppc64le'] },
  { names: 'arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls', arches: ['arm', 'arm64'] },
  { names: 'arch_prctl', arches: ['amd64', 'x32'] },
  { names: 'modify_ldt', arches: ['amd64', 'x32', 'x86'] },
  { names: 's390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr', arches: ['s390', 's390x'] },
  { names: 'riscv_flush_icache', arches: ['riscv64'] },
  { names: 'open_by_handle_at', caps: ['CAP_DAC_READ_SEARCH'] },
  {
    names:
      'bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr lsm_list_modules lsm_set_self_attr mount mount_setattr ' +
      'move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare',
    caps: ['CAP_SYS_ADMIN'],
  },
  {
    names: 'clone', withoutCaps: ['CAP_SYS_ADMIN'], withoutArches: ['s390', 's390x'],
    args: [{ index: 0, value: CLONE_NAMESPACE_FLAGS, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }],
  },
  {
    names: 'clone', withoutCaps: ['CAP_SYS_ADMIN'], arches: ['s390', 's390x'],
    args: [{ index: 1, value: CLONE_NAMESPACE_FLAGS, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }],
  },
  // clone3 passes its flags in memory where a filter cannot look; ENOSYS makes libraries fall back to clone.
  { names: 'clone3', withoutCaps: ['CAP_SYS_ADMIN'], errno: ENOSYS },
  { names: 'reboot', caps: ['CAP_SYS_BOOT'] },
  { names: 'chroot', caps: ['CAP_SYS_CHROOT'] },
  { names: 'delete_module init_module finit_module', caps: ['CAP_SYS_MODULE'] },
  { names: 'acct', caps: ['CAP_SYS_PACCT'] },
  { names: 'kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace', caps: ['CAP_SYS_PTRACE'] },
  { names: 'iopl ioperm', caps: ['CAP_SYS_RAWIO'] },
  { names: 'settimeofday stime clock_settime clock_settime64', caps: ['CAP_SYS_TIME'] },
  { names: 'vhangup', caps: ['CAP_SYS_TTY_CONFIG'] },
  { names: 'get_mempolicy mbind set_mempolicy set_mempolicy_home_node', caps: ['CAP_SYS_NICE'] },
  { names: 'syslog', caps: ['CAP_SYSLOG'] },
  { names: 'bpf', caps: ['CAP_BPF'] },
  { names: 'perf_event_open', caps: ['CAP_PERFMON'] },
];

/** The machine's own architecture and those whose calls it also runs, by Node's `process.arch`. */
export const SECCOMP_ARCHES: Readonly<Record<string, { readonly name: string; readonly filters: readonly string[] }>> = {
  x64: { name: 'amd64', filters: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'] },
  arm64: { name: 'arm64', filters: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'] },
  s390x: { name: 's390x', filters: ['SCMP_ARCH_S390X', 'SCMP_ARCH_S390'] },
  riscv64: { name: 'riscv64', filters: ['SCMP_ARCH_RISCV64'] },
  loong64: { name: 'loong64', filters: ['SCMP_ARCH_LOONGARCH64'] },
  ppc64: { name: 'ppc64le', filters: [] },
};
