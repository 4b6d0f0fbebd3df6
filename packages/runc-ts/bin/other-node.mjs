// Runs this program again on another Node, or with other options.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** Uses the Node of the package `node-linux-<arch>` where it is installed. */
export function rerunOnNewerNode(program) {
  const node = bundledNode();
  if (node !== undefined) return rerun(node, [], program);
  process.stderr.write(`runc-ts: needs Node 24.11 or newer, this is ${process.versions.node}\n`);
  return 1;
}

/** Becomes the other process where this Node can; an old Node stays as its parent, and hands signals and descriptors on. */
export function rerun(node, options, program) {
  const args = [...options, program, ...process.argv.slice(2)];
  if (process.execve !== undefined) process.execve(node, [node, ...args], process.env);
  const child = spawn(node, args, { stdio: 'inherit' });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2']) process.on(signal, () => child.kill(signal));
  return new Promise((resolve) => {
    child.on('error', (error) => {
      process.stderr.write(`runc-ts: cannot run ${node}: ${error.message}\n`);
      resolve(1);
    });
    child.on('exit', (code) => resolve(code ?? 1));
  });
}

function bundledNode() {
  try {
    const manifest = createRequire(import.meta.url).resolve(`node-linux-${process.arch}/package.json`);
    const node = join(dirname(manifest), 'bin', 'node');
    return existsSync(node) ? node : undefined;
  } catch {
    return undefined;
  }
}
