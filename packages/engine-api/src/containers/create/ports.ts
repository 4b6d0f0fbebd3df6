/** Port specifications: `80`, `80/tcp`, `8000-8010/udp`. */

/** One container port. */
export interface PortSpec {
  readonly port: number;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
}

/** Expands a specification into single ports; `undefined` when it is malformed. A range yields each port of it. */
export function parsePortSpec(spec: string): PortSpec[] | undefined {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/([a-zA-Z]+))?$/.exec(spec);
  if (!match) return undefined;
  const first = Number(match[1]);
  const last = Number(match[2] ?? match[1]);
  const protocol = (match[3] ?? 'tcp').toLowerCase();
  if (first < 1 || last > 65_535 || last < first) return undefined;
  if (protocol !== 'tcp' && protocol !== 'udp' && protocol !== 'sctp') return undefined;
  return Array.from({ length: last - first + 1 }, (_, index) => ({ port: first + index, protocol }));
}

/** `80/tcp` for a port, the key of `ExposedPorts` and `Ports`. */
export function portKey(port: PortSpec): string {
  return `${port.port}/${port.protocol}`;
}

/** True for a host side: empty, one port, or a range. */
export function isHostPort(value: string): boolean {
  if (value === '') return true;
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(value);
  if (!match) return false;
  return Number(match[1]) <= 65_535 && Number(match[2] ?? match[1]) <= 65_535 && Number(match[2] ?? match[1]) >= Number(match[1]);
}
