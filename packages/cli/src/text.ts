/** Columns as Docker prints them: each as wide as its widest cell, three blanks between, at least 10 wide. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(10, ...all.map((row) => [...(row[column] ?? '')].length)));
  return all.map((row) => row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd((widths[column] ?? 0) + 3))).join('').trimEnd()).join('\n') + '\n';
}

/** A size in Docker's decimal units with up to four significant digits: `1.24MB`. */
export function humanSize(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let value = bytes;
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${Number(value.toPrecision(3))}${units[unit] ?? ''}`;
}

const STEPS: readonly [belowSeconds: number, describe: (seconds: number) => string][] = [
  [1, () => 'Less than a second'], [2, () => '1 second'], [60, (s) => `${Math.floor(s)} seconds`], [120, () => 'About a minute'], [3600, (s) => `${Math.floor(s / 60)} minutes`],
  [7200, () => 'About an hour'], [48 * 3600, (s) => `${Math.floor(s / 3600)} hours`], [14 * 86400, (s) => `${Math.floor(s / 86400)} days`], [60 * 86400, (s) => `${Math.floor(s / 604800)} weeks`],
  [730 * 86400, (s) => `${Math.floor(s / 2592000)} months`],
];

/** A time span in Docker's words. */
export function humanDuration(seconds: number): string {
  const step = STEPS.find(([below]) => seconds < below);
  return step ? step[1](seconds) : `${Math.floor(seconds / 31_536_000)} years`;
}

/** An id's first twelve digits, without the algorithm's name. */
export const shortId = (id: string): string => id.replace(/^sha256:/, '').slice(0, 12);

/** A published or exposed port as `docker ps` shows it. */
export function formatPort(port: { readonly IP?: string; readonly PrivatePort: number; readonly PublicPort?: number; readonly Type: string }): string {
  const container = `${port.PrivatePort}/${port.Type}`;
  if (port.PublicPort === undefined) return container;
  const ip = port.IP?.includes(':') ? `[${port.IP}]` : (port.IP ?? '');
  return `${ip}:${port.PublicPort}->${container}`;
}
