/** The informative flags `-v` and `-info`. */
import { createRequire } from 'node:module';
import { JSON_TYPE_URLS, packJson } from '@dray/containerd-api';
import { RuntimeInfo } from '@dray/containerd-api/types';
import { createRuntime } from '@dray/runc';

const RUNTIME_NAME = 'io.containerd.dray.v2';

function packageVersion(): string {
  const manifest: unknown = createRequire(import.meta.url)('@dray/shim/package.json');
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : '';
}

/** As the original prints it. */
export function printVersion(): void {
  process.stdout.write(`containerd-shim-dray-v2:\n  Version:  ${packageVersion()}\n  Revision: \n  Node version: ${process.version}\n\n`);
}

/** Prints a RuntimeInfo message, with what the built-in runtime can do. */
export function printInfo(): void {
  process.stdout.write(RuntimeInfo.encode(RuntimeInfo.fromPartial({ name: RUNTIME_NAME, version: { version: packageVersion(), revision: '' }, features: packJson(JSON_TYPE_URLS.features, createRuntime().features()) })).finish());
}
