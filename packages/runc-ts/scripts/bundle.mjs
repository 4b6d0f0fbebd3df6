// Joins the command's modules, libcontainer's TypeScript included, into one file: a runtime is started for every verb, so its start counts.
// CommonJS, since importing a built-in module such as node:fs as ESM evaluates all its lazy parts (streams, promises: 15 ms).
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '..');

/** The bundle lies elsewhere than libcontainer's own files: its native parts are found through the package's name. */
const nativePaths = {
  name: 'native-paths',
  setup({ onLoad }) {
    onLoad({ filter: /libcontainer-native\/src\/native\.ts$/ }, ({ path }) => {
      const source = readFileSync(path, 'utf8');
      const own = 'const packageRoot = path.dirname(path.dirname(fileURLToPath(import.meta.url)));';
      if (!source.includes(own)) throw new Error(`${path} does not compute packageRoot as expected`);
      return { contents: source.replace(own, "const packageRoot = path.dirname(createRequire(import.meta.url).resolve('@dray/libcontainer/package.json'));"), loader: 'ts' };
    });
  },
};

const { outputFiles } = await build({
  write: false,
  absWorkingDir: root,
  entryPoints: ['src/cli/main.ts'],
  outfile: 'dist/runc-ts.cjs',
  bundle: true,
  format: 'cjs',
  platform: 'node',
  target: 'node24',
  conditions: ['@dray/source'],
  define: { 'import.meta.url': 'bundleUrl' },
  plugins: [nativePaths],
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  logLevel: 'warning',
});

/**
 * A default import of a built-in module is a copy of all its properties as esbuild writes it, and loads the module at once. Here it is the
 * module itself, loaded when something of it is used: most verbs need no sockets.
 */
const PRELUDE = `'use strict';
const bundleUrl = require('node:url').pathToFileURL(__filename).href;
const lazyDefault = (name) => ({ default: new Proxy({}, { get: (_target, key) => require(name)[key] }) });
`;
const text = outputFiles[0].text.replace(/^"use strict";/, '').replaceAll(/__toESM\(require\("(node:[\w/]+)"\)(?:,1)?\)/g, 'lazyDefault("$1")');
if (/__toESM\(require\(/.test(text)) throw new Error('a default import was not recognised');
mkdirSync(join(root, 'dist'), { recursive: true });
writeFileSync(join(root, 'dist', 'runc-ts.cjs'), PRELUDE + text);
