#!/bin/sh
':' //; f=$(readlink -f "$0"); d=${f%/*}; for n in "$DRAY_NODE" "$d"/../../../node_modules/node-linux-*/bin/node "$d"/../../../node-linux-*/bin/node; do [ -x "$n" ] && exec "$n" "$f" "$@"; done; exec node "$f" "$@"
// The line above is for sh, which finds the Node that was installed along in a millisecond; on an old system Node it would take fifty to do so here.
// containerd-shim-dray-v2. containerd finds it on the PATH and reads its answer from stdout and stderr together, so nothing else may be printed.
// Prefers the bundle that the build makes; in a checkout without one Node reads the TypeScript sources.
import fs from 'node:fs';
import nodeModule, { createRequire } from 'node:module'; // enableCompileCache by the default: an older Node lacks the name
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const entry = fileURLToPath(import.meta.url);
const root = path.dirname(path.dirname(entry));
const SOURCE_CONDITION = '--conditions=@dray/source';

function nodeIsNewEnough() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  return major >= 26 || (major === 24 && minor >= 11);
}

/** The Node that a checkout brings along. */
function bundledNode() {
  try {
    const manifest = createRequire(import.meta.url).resolve(`node-linux-${process.arch}/package.json`);
    const node = path.join(path.dirname(manifest), 'bin/node');
    return fs.existsSync(node) ? node : undefined;
  } catch {
    return undefined;
  }
}

/** Node has no exec: the child gets this process's streams and its status is passed on. */
async function runAgain(node, nodeOptions) {
  const { spawnSync } = await import('node:child_process');
  const { status, signal } = spawnSync(node, [...nodeOptions, entry, ...process.argv.slice(2)], { stdio: 'inherit' });
  process.exitCode = signal === null ? status ?? 1 : 1;
}

async function run() {
  const node = nodeIsNewEnough() ? process.execPath : bundledNode();
  if (node === undefined) {
    process.stderr.write(`containerd-shim-dray-v2: Node ${process.versions.node} is too old, want 24.11 or newer\n`);
    process.exitCode = 1;
    return;
  }
  const bundle = path.join(root, 'dist/bundle/main.mjs');
  const hasBundle = process.env.DRAY_SHIM_SOURCE === undefined && fs.existsSync(bundle);
  const needsSource = !hasBundle && !process.execArgv.includes(SOURCE_CONDITION) && fs.existsSync(path.join(root, 'src/commands/main.ts'));
  if (node !== process.execPath || needsSource) {
    await runAgain(node, needsSource ? [SOURCE_CONDITION, '--disable-warning=ExperimentalWarning'] : []);
    return;
  }
  nodeModule.enableCompileCache(process.env.DRAY_COMPILE_CACHE ?? path.join(root, 'dist/cache'));
  const { main } = await import(hasBundle ? bundle : needsSourceFile());
  const status = await main(process.argv.slice(2), entry);
  if (status !== undefined) process.exitCode = status;
}

function needsSourceFile() {
  const source = path.join(root, 'src/commands/main.ts');
  return fs.existsSync(source) && process.execArgv.includes(SOURCE_CONDITION) ? source : path.join(root, 'dist/commands/main.js');
}

await run();
