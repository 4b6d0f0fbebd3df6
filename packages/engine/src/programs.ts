import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { nativeFile } from './native-file.ts';

/** The programs that the daemon starts or names to others. */
export interface Programs {
  /** The native logger, for `binary://` stdio. */
  readonly logger: string;
  /** The static program of the built-in image. */
  readonly hello: string;
  /** `dray-containerd`. */
  readonly containerd: string;
  /** The shim that containerd looks for in its PATH. */
  readonly shim: string;
  exists(file: string): boolean;
}

let found: Programs | undefined;

/** Finds the programs of the other packages. */
export function programs(): Programs {
  return found ??= {
    logger: nativeFile('dray-logger'),
    hello: nativeFile('dray-hello'),
    containerd: binOf('@dray/containerd', 'dray-containerd'),
    shim: binOf('@dray/shim', 'containerd-shim-dray-v2'),
    exists: (file) => fs.existsSync(file),
  };
}

/** The file behind a package's command. */
function binOf(packageName: string, command: string): string {
  const manifestPath = createRequire(import.meta.url).resolve(`${packageName}/package.json`);
  const manifest = JSON.parse(fs.readFileSync(manifestPath, 'utf8')) as { bin?: Readonly<Record<string, string>> };
  return path.join(path.dirname(manifestPath), manifest.bin?.[command] ?? `bin/${command}.mjs`);
}
