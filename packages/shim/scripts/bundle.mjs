// Joins the shim's modules into a few files: `start` and `delete` run for every container, so they load one small file each, and the server a large one.
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { build } from 'esbuild';

const root = path.join(import.meta.dirname, '..');
const outdir = path.join(root, 'dist/bundle');

const nativeUrl = `import { createRequire as makeRequire } from 'node:module'; import { pathToFileURL as toUrl } from 'node:url';
const libcontainerUrl = new URL('src/native.ts', toUrl(makeRequire(import.meta.url).resolve('@dray/libcontainer/package.json'))).href;
`;

/** The native package finds its binaries from its own folder, wherever its code is bundled into. */
const nativeLocation = {
  name: 'native-location',
  setup({ onLoad }) {
    onLoad({ filter: /libcontainer-native\/src\/native\.ts$/ }, async ({ path: file }) => ({
      contents: nativeUrl + (await readFile(file, 'utf8')).replaceAll('import.meta.url', 'libcontainerUrl'),
      loader: 'ts',
    }));
  },
};

await rm(outdir, { recursive: true, force: true });
await build({
  absWorkingDir: root,
  entryPoints: { main: 'src/commands/main.ts' },
  outdir,
  outExtension: { '.js': '.mjs' },
  chunkNames: '[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  conditions: ['@dray/source'],
  // Only containerd's gRPC client would need it, which a shim is not.
  external: ['@grpc/grpc-js'],
  plugins: [nativeLocation],
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  logLevel: 'warning',
});
