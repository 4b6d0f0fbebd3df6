#!/usr/bin/env node
// Starts dray-containerd on a Node that can run it: the bundle when it was built, the sources in a checkout.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const bundle = join(here, '..', 'dist', 'bundle', 'dray-containerd.mjs');
const source = join(here, '..', 'src', 'main.ts');
const [major, minor] = process.versions.node.split('.').map(Number);

if (major < 24 || (major === 24 && minor < 11) || major === 25) {
  process.exitCode = await runOnBundledNode();
} else if (existsSync(bundle)) {
  await start(bundle);
} else if (process.execArgv.includes('--conditions=@dray/source') || !existsSync(source)) {
  await start(existsSync(source) ? source : join(here, '..', 'dist', 'main.js'));
} else {
  process.exitCode = await rerun(process.execPath, ['--conditions=@dray/source', '--disable-warning=ExperimentalWarning']);
}

async function start(file) {
  const { main } = await import(file);
  const status = await main(process.argv.slice(2));
  process.exit(status);
}

function runOnBundledNode() {
  const node = bundledNode();
  if (node !== undefined) return rerun(node, []);
  process.stderr.write(`dray-containerd: needs Node 24.11 or newer, this is ${process.versions.node}\n`);
  return 1;
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

/** Becomes the other Node where this one can; an old Node stays as its parent and hands signals on. */
async function rerun(node, options) {
  const args = [...options, fileURLToPath(import.meta.url), ...process.argv.slice(2)];
  if (process.execve !== undefined) process.execve(node, [node, ...args], process.env);
  const child = spawn(node, args, { stdio: 'inherit' });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  return await new Promise((resolve) => {
    child.on('error', (error) => {
      process.stderr.write(`dray-containerd: cannot run ${node}: ${error.message}\n`);
      resolve(1);
    });
    child.on('exit', (code) => resolve(code ?? 1));
  });
}
