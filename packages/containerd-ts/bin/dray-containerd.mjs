#!/usr/bin/env node
// Starts dray-containerd on a Node that can run it: the bundle when it was built, the sources in a checkout.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import module from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const bundle = join(here, '..', 'dist', 'bundle', 'dray-containerd.mjs');
const source = join(here, '..', 'src', 'main.ts');
/** A small young generation: this daemon idles most of its life, and what it never gives back counts for every machine. */
const MEMORY_FLAG = '--max-semi-space-size=1';
const SOURCE_FLAGS = ['--conditions=@dray/source', '--disable-warning=ExperimentalWarning'];
const [major, minor] = process.versions.node.split('.').map(Number);

if (major < 24 || (major === 24 && minor < 11) || major === 25) {
  process.exitCode = await runOnBundledNode();
} else if (!process.execArgv.some((flag) => flag.startsWith('--max-semi-space-size'))) {
  process.exitCode = await rerun(process.execPath, [...process.execArgv, MEMORY_FLAG, ...(existsSync(bundle) ? [] : SOURCE_FLAGS)]);
} else if (existsSync(bundle)) {
  module.enableCompileCache(join(here, '..', 'dist', '.compile-cache'));
  await start(bundle);
} else {
  await start(existsSync(source) ? source : join(here, '..', 'dist', 'main.js'));
}

async function start(file) {
  const { main } = await import(file);
  const status = await main(process.argv.slice(2));
  process.exit(status);
}

function runOnBundledNode() {
  const node = bundledNode();
  if (node !== undefined) return rerun(node, [MEMORY_FLAG, ...(existsSync(bundle) ? [] : SOURCE_FLAGS)]);
  process.stderr.write(`dray-containerd: needs Node 24.11 or newer, this is ${process.versions.node}\n`);
  return 1;
}

function bundledNode() {
  try {
    const manifest = module.createRequire(import.meta.url).resolve(`node-linux-${process.arch}/package.json`);
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
