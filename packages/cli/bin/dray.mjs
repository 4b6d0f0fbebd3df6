#!/usr/bin/env node
// Checks the Node version before anything newer than Node 20 is parsed; goes on with the Node that is installed beside the package where this one is too old.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import module, { createRequire } from 'node:module';

const [major, minor] = process.versions.node.split('.').map(Number);
if (major > 24 || (major === 24 && minor >= 11)) {
  const built = new URL('../dist/dray.mjs', import.meta.url);
  if (existsSync(built)) {
    module.enableCompileCache?.();
    const { main } = await import(built.href);
    await main(process.argv.slice(2));
  } else if (process.execArgv.includes('--conditions=@dray/source')) {
    const { main } = await import(new URL('../src/main.ts', import.meta.url).href);
    await main(process.argv.slice(2));
  } else runWith(process.execPath);
} else {
  try {
    runWith(createRequire(import.meta.url).resolve(`node-linux-${process.arch}/bin/node`));
  } catch {
    console.error(`dray: Node ${process.versions.node} is too old, want 24.11 or newer`);
    process.exit(1);
  }
}

/** Goes on in another Node; signals that reach this process by its id are passed on, those of the terminal reach both. */
function runWith(node) {
  const child = spawn(node, ['--conditions=@dray/source', ...process.argv.slice(1)], { stdio: 'inherit' });
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2']) process.on(signal, () => child.kill(signal));
  process.on('SIGINT', () => undefined);
  process.on('SIGQUIT', () => undefined);
  child.on('close', (code) => process.exit(code ?? 1));
}
