// What `npm start` and `npm test` share: install the dependencies once, find the Node that the repository brings, build.
// Runs on the machine's own Node (20 or newer) before anything is installed, so it uses nothing but Node itself.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const binDirectory = path.join(root, 'node_modules/.bin');

/** Runs a command with the repository's own tools and Node first on the PATH; ends this process when it fails. */
export function run(command, args, { quiet = false, ...options } = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    stdio: quiet ? ['ignore', 'pipe', 'pipe'] : ['ignore', 'inherit', 'inherit'],
    ...options,
    env: { ...process.env, ...options.env, PATH: `${binDirectory}:${process.env.PATH}` },
  });
  if (result.status !== 0) {
    if (quiet) process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`);
    console.error(`dray: "${[command, ...args].join(' ')}" failed${result.error ? `: ${result.error.message}` : ` with status ${result.status}`}`);
    process.exit(1);
  }
}

/** Installs the locked dependencies, unless this very lock file is installed already. */
export function install() {
  const lock = createHash('sha256').update(fs.readFileSync(path.join(root, 'package-lock.json'))).digest('hex');
  const stamp = path.join(root, 'node_modules/.dray-lock');
  if (fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === lock) return;
  console.log('dray: installing dependencies');
  // Not `npm ci`: it refuses a lock file that lacks other platforms' optional packages, which a registry mirror may not have. Versions are the lock file's.
  run('npm', ['install', '--no-save', '--ignore-scripts', '--loglevel=error'], { quiet: true });
  fs.writeFileSync(stamp, lock);
}

/** Builds every package in dependency order; nx skips what has not changed. */
export function build({ quiet = false } = {}) {
  console.log('dray: building');
  run('nx', ['run-many', '-t', 'build', '--outputStyle=static'], { quiet, env: { NX_DAEMON: 'false', NX_TUI: 'false' } });
}

/** The Node 24 that the root's optionalDependencies install for this processor. */
export function node() {
  const arch = process.arch === 'arm64' ? 'arm64' : 'x64';
  const bundled = path.join(root, `node_modules/node-linux-${arch}/bin/node`);
  return fs.existsSync(bundled) ? bundled : process.execPath;
}
