import fs from 'node:fs';
import path from 'node:path';

/** What an engine whose files are all under `folder`, and whose default bridge is `bridge`, has on this machine: mounts, cgroups, network links and processes. */
export function leftovers(folder: string, bridge: string): string[] {
  return [...mounts(folder), ...processes(folder), ...links(bridge), ...cgroups()];
}

function mounts(folder: string): string[] {
  return fs.readFileSync('/proc/self/mountinfo', 'utf8').split('\n').filter((line) => line.split(' ')[4]?.startsWith(folder)).map((line) => `mount ${line.split(' ')[4] ?? ''}`);
}

function processes(folder: string): string[] {
  return fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid).flatMap((pid) => {
    try {
      const commandLine = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      return commandLine.includes(folder) ? [`process ${pid}: ${commandLine.slice(0, 200)}`] : [];
    } catch {
      return []; // ended meanwhile
    }
  });
}

/** The bridge and what is plugged into it. Links of other programs come and go as they like. */
function links(bridge: string): string[] {
  const ports = `/sys/class/net/${bridge}/brif`;
  return fs.existsSync(ports) ? [`network link ${bridge}`, ...fs.readdirSync(ports).map((name) => `network link ${name}`)] : [];
}

/** Cgroup directories below the top two levels of every hierarchy. */
function cgroups(): string[] {
  const found: string[] = [];
  const walk = (directory: string, depth: number): void => {
    for (const entry of fs.readdirSync(directory, { withFileTypes: true })) {
      if (!entry.isDirectory()) continue;
      const child = path.join(directory, entry.name);
      if (depth > 0) found.push(`cgroup ${child}`);
      if (depth < 4) walk(child, depth + 1);
    }
  };
  if (fs.existsSync('/sys/fs/cgroup')) walk('/sys/fs/cgroup', 0);
  return found;
}
