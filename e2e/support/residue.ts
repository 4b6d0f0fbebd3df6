import fs from 'node:fs';
import path from 'node:path';

/** What an engine whose files are all under `folder` has on this machine: mounts, cgroups, network links and processes. */
export function leftovers(folder: string): string[] {
  return [...mounts(folder), ...processes(folder), ...links(), ...cgroups()];
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

function links(): string[] {
  return fs.readdirSync('/sys/class/net').map((name) => `network link ${name}`);
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
