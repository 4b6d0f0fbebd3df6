#!/usr/bin/env node
// Plain enough for old Nodes: it checks the version, and goes on with the Node that is installed beside the package where this one is too old.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';

const [major, minor] = process.versions.node.split('.').map(Number);
if (major > 24 || (major === 24 && minor >= 11)) {
  const built = new URL('../dist/command/main.js', import.meta.url);
  const { main } = await import(existsSync(built) ? built.href : new URL('../src/command/main.ts', import.meta.url).href);
  process.exitCode = await main(process.argv.slice(2), { out: (text) => process.stdout.write(text), err: (text) => process.stderr.write(text) });
} else {
  let newer;
  try {
    newer = createRequire(import.meta.url).resolve(`node-linux-${process.arch}/bin/node`);
  } catch {
    console.error(`oci-image: Node ${process.versions.node} is too old, want 24.11 or newer`);
    process.exit(1);
  }
  process.exitCode = spawnSync(newer, process.argv.slice(1), { stdio: 'inherit' }).status ?? 1;
}
