// Bundles the client into one file: one file is found, read and compiled several times faster than a hundred.
import { build } from 'esbuild';

await build({
  entryPoints: ['src/main.ts'], outfile: 'dist/dray.mjs', bundle: true, platform: 'node', target: 'node24', format: 'esm', conditions: ['@dray/source'], legalComments: 'none',
  // oclif loads these only to run commands from TypeScript sources, which a bundle has none of.
  external: ['typescript', 'ts-node', 'tsx'],
  banner: { js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);" },
});
