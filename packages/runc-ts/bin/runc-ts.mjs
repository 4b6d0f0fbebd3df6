#!/usr/bin/env node
// Starts runc-ts on a Node that can run it: the bundle when it was built, else the sources of a checkout.
const [major, minor] = process.versions.node.split('.').map(Number);

if (major < 24 || (major === 24 && minor < 11) || major === 25) {
  const { rerunOnNewerNode } = await import('./other-node.mjs');
  process.exitCode = await rerunOnNewerNode(import.meta.filename);
} else {
  // Not imported: as an ES module a built-in one costs milliseconds.
  const module = process.getBuiltinModule('node:module');
  const { existsSync } = process.getBuiltinModule('node:fs');
  const { join } = process.getBuiltinModule('node:path');
  const dist = join(import.meta.dirname, '..', 'dist');
  const bundle = join(dist, 'runc-ts.cjs');
  if (existsSync(bundle)) {
    // Beside the bundle, never in a folder that others may write: the cache is code.
    module.enableCompileCache(join(dist, 'compile-cache'));
    await start(module.createRequire(import.meta.url)(bundle));
  } else if (process.execArgv.includes('--conditions=@dray/source')) {
    await start(await import(join(import.meta.dirname, '..', 'src', 'cli', 'main.ts')));
  } else {
    const { rerun } = await import('./other-node.mjs');
    process.exitCode = await rerun(process.execPath, ['--conditions=@dray/source', '--disable-warning=ExperimentalWarning'], import.meta.filename);
  }
}

async function start({ main }) {
  process.exit(await main(process.argv.slice(2)));
}
