/** A command line that the user got wrong: one line on standard error, exit status 125 or 1. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const UNITS: Readonly<Record<string, number>> = { '': 1, b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };

/** `64m`, `1.5g`, `512kb` in bytes. */
export function parseBytes(value: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([bkmgt]?)(?:i?b)?$/i.exec(value.trim());
  if (!match) throw new UsageError(`invalid size: '${value}'`);
  return Math.floor(Number(match[1]) * (UNITS[(match[2] ?? '').toLowerCase()] ?? 1));
}

/** `1.5` processors in billionths. */
export function parseCpus(value: string): number {
  const nano = Math.round(Number(value) * 1e9);
  if (!/^\d*\.?\d+$/.test(value) || nano <= 0) throw new UsageError(`invalid argument "${value}" for "--cpus" flag: failed to parse ${value} as a rational number`);
  return nano;
}

/** `KEY=value` as it is; `KEY` alone takes the client's value, and is dropped where the client has none. */
export function parseEnvironment(values: readonly string[], environment: NodeJS.ProcessEnv): string[] {
  return values.flatMap((value) => {
    if (value.includes('=')) return [value];
    const own = environment[value];
    return own === undefined ? [] : [`${value}=${own}`];
  });
}

/** `key=value` pairs as an object. */
export const parseLabels = (values: readonly string[]): Record<string, string> => Object.fromEntries(values.map((value) => {
  const equals = value.indexOf('=');
  return equals === -1 ? [value, ''] : [value.slice(0, equals), value.slice(equals + 1)];
}));

/** What `-p` asks for, as the API takes it. */
export interface Ports { readonly exposed: Record<string, Record<never, never>>; readonly bindings: Record<string, { HostIp: string; HostPort: string }[]> }

/** `[[address:]hostPort:]containerPort[/protocol]`, with ranges `a-b` of equal length. */
export function parsePorts(values: readonly string[]): Ports {
  const ports: Ports = { exposed: {}, bindings: {} };
  for (const value of values) {
    const match = /^(?:(?:(\[[^\]]+\]|[^:]*):)?(\d*(?:-\d+)?):)?(\d+(?:-\d+)?)(?:\/(tcp|udp|sctp))?$/.exec(value);
    if (!match) throw new UsageError(`invalid publish opts format: "${value}"`);
    const [, address = '', host = '', container = '', protocol = 'tcp'] = match;
    const inside = range(container);
    const outside = host === '' ? [] : range(host);
    if (outside.length !== 0 && outside.length !== inside.length && inside.length !== 1) throw new UsageError(`invalid ranges specified for container and host Ports: ${container} and ${host}`);
    inside.forEach((port, index) => {
      const key = `${port}/${protocol}`;
      ports.exposed[key] = {};
      const hostPort = inside.length === 1 ? host : String(outside[index] ?? '');
      (ports.bindings[key] ??= []).push({ HostIp: address.replace(/^\[(.*)\]$/, '$1'), HostPort: hostPort });
    });
  }
  return ports;
}

function range(text: string): number[] {
  const [first = 0, last = first] = text.split('-').map(Number);
  if (first > 65535 || last > 65535 || last < first) throw new UsageError(`invalid port range: ${text}`);
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}
