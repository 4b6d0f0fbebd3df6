/** Linux capabilities: which exist, which a container gets. */

const NAMES =
  'CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW ' +
  'IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD ' +
  'LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE';

/** Every capability, by its number (capabilities(7), Linux 5.9). */
export const ALL_CAPABILITIES: readonly string[] = NAMES.split(' ').map((name) => `CAP_${name}`);

/** What a container has unless it asks. */
export const DEFAULT_CAPABILITIES: readonly string[] = [
  'CHOWN', 'DAC_OVERRIDE', 'FSETID', 'FOWNER', 'MKNOD', 'NET_RAW', 'SETGID', 'SETUID', 'SETFCAP', 'SETPCAP', 'NET_BIND_SERVICE', 'SYS_CHROOT', 'KILL', 'AUDIT_WRITE',
].map((name) => `CAP_${name}`);

/** `CAP_NET_ADMIN` for `net_admin`, `NET_ADMIN` or `CAP_NET_ADMIN`; `ALL` stays `ALL`. */
export function normalizeCapability(name: string): string {
  const upper = name.toUpperCase();
  return upper === 'ALL' || upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
}

/** How a container's capabilities are asked for. */
export interface CapabilityRequest {
  readonly isPrivileged: boolean;
  readonly add: readonly string[];
  readonly drop: readonly string[];
  /** What the host can give: its bounding set. */
  readonly available: readonly string[];
}

/** The set a container gets. `drop ALL` leaves the additions only; `add ALL` gives everything but the drops. */
export function capabilitiesFor(request: CapabilityRequest): string[] {
  if (request.isPrivileged) return [...request.available];
  const add = request.add.map(normalizeCapability);
  const drop = new Set(request.drop.map(normalizeCapability));
  if (add.includes('ALL')) return request.available.filter((name) => !drop.has(name));
  if (drop.has('ALL')) return unique(add);
  return unique([...DEFAULT_CAPABILITIES.filter((name) => !drop.has(name)), ...add]);
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)];
}

/** The capability names of a mask as `/proc/<pid>/status` shows it. */
export function capabilitiesOfMask(hex: string): string[] {
  const mask = BigInt(`0x${hex}`);
  return ALL_CAPABILITIES.filter((_, bit) => (mask >> BigInt(bit)) & 1n);
}
