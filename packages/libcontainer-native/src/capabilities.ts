/** The capabilities of Linux in the order of their bits, as the OCI configuration names them. */
export const CAPABILITIES: readonly string[] = [
  'CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_DAC_READ_SEARCH', 'CAP_FOWNER', 'CAP_FSETID', 'CAP_KILL', 'CAP_SETGID', 'CAP_SETUID',
  'CAP_SETPCAP', 'CAP_LINUX_IMMUTABLE', 'CAP_NET_BIND_SERVICE', 'CAP_NET_BROADCAST', 'CAP_NET_ADMIN', 'CAP_NET_RAW', 'CAP_IPC_LOCK',
  'CAP_IPC_OWNER', 'CAP_SYS_MODULE', 'CAP_SYS_RAWIO', 'CAP_SYS_CHROOT', 'CAP_SYS_PTRACE', 'CAP_SYS_PACCT', 'CAP_SYS_ADMIN', 'CAP_SYS_BOOT',
  'CAP_SYS_NICE', 'CAP_SYS_RESOURCE', 'CAP_SYS_TIME', 'CAP_SYS_TTY_CONFIG', 'CAP_MKNOD', 'CAP_LEASE', 'CAP_AUDIT_WRITE', 'CAP_AUDIT_CONTROL',
  'CAP_SETFCAP', 'CAP_MAC_OVERRIDE', 'CAP_MAC_ADMIN', 'CAP_SYSLOG', 'CAP_WAKE_ALARM', 'CAP_BLOCK_SUSPEND', 'CAP_AUDIT_READ', 'CAP_PERFMON',
  'CAP_BPF', 'CAP_CHECKPOINT_RESTORE',
];

const BITS = new Map(CAPABILITIES.map((name, bit) => [name, bit]));

/** A set of capabilities by name, and the names that stand for none. */
export interface ParsedCapabilities {
  /** Bit n is capability n. */
  readonly mask: bigint;
  /** Names that are not capabilities, each once. The OCI runtimes warn about them and go on. */
  readonly unknown: readonly string[];
}

/** The bit of a capability's OCI name (`CAP_KILL` is 5). */
export function capabilityBit(name: string): number | undefined {
  return BITS.get(name);
}

/** Turns names into a mask. */
export function parseCapabilities(names: readonly string[]): ParsedCapabilities {
  let mask = 0n;
  const unknown = new Set<string>();
  for (const name of names) {
    const bit = BITS.get(name);
    if (bit === undefined) unknown.add(name);
    else mask |= 1n << BigInt(bit);
  }
  return { mask, unknown: [...unknown] };
}

/** The names of a mask's bits in their order; bits without a name are left out. */
export function capabilityNames(mask: bigint): string[] {
  return CAPABILITIES.filter((_name, bit) => ((mask >> BigInt(bit)) & 1n) === 1n);
}
