// Joins the command's modules, libcontainer's TypeScript included, into one file: a runtime is started for every verb, so its start counts.
import { readFileSync } from 'node:fs';
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

await build({
  absWorkingDir: root,
  entryPoints: ['src/cli/main.ts'],
  outfile: 'dist/runc-ts.mjs',
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  conditions: ['@dray/source'],
  plugins: [nativePaths],
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  logLevel: 'warning',
});
