#!/bin/sh
':' //; f=$(readlink -f "$0"); d=${f%/*}; n=node; case $(uname -m) in aarch64) c=arm64;; *) c=x64;; esac; for a in "$d/../node_modules" "$d/../../../node_modules" "$d/../../.."; do [ -x "$a/node-linux-$c/bin/node" ] && n="$a/node-linux-$c/bin/node" && break; done; exec "$n" "$f" "$@"
// The lines above are a shell script to a shell, which starts the Node that came with the package, and nothing to JavaScript.
import { existsSync } from 'node:fs';
import nodeModule from 'node:module'; // by its default: an older Node lacks the name, and must get as far as the version check
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const file = fileURLToPath(import.meta.url);
const here = dirname(file);
const bundle = join(here, '../dist/bundle/drayd.mjs');
const source = join(here, '../src/drayd.ts');
const [major, minor] = process.versions.node.split('.').map(Number);

if (major < 24 || (major === 24 && minor < 11) || major === 25) {
  process.stderr.write(`drayd: needs Node 24.11 or newer, this is ${process.versions.node}\n`);
  process.exit(1);
}
if (existsSync(bundle) && process.env.DRAY_FROM_SOURCE === undefined) await start(bundle);
else if (process.execArgv.includes('--conditions=@dray/source') || !existsSync(source)) await start(existsSync(source) ? source : join(here, '../dist/drayd.js'));
else process.execve(process.execPath, [process.execPath, '--conditions=@dray/source', '--disable-warning=ExperimentalWarning', file, ...process.argv.slice(2)], process.env);

async function start(module) {
  nodeModule.enableCompileCache(join(here, '../dist/.compile-cache'));
  const { main } = await import(module);
  process.exit(await main(process.argv.slice(2)));
}
