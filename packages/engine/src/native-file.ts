import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

/** The path of a static program of `@dray/libcontainer`: the local build's, or that of the package for this platform. */
export function nativeFile(name: string): string {
  const resolver = createRequire(import.meta.url);
  const local = path.join(path.dirname(resolver.resolve('@dray/libcontainer/package.json')), 'build/bin', name);
  if (fs.existsSync(local)) return local;
  try {
    return path.join(path.dirname(resolver.resolve(`@dray/libcontainer-${process.platform}-${process.arch}/package.json`)), 'bin', name);
  } catch {
    return local; // whoever starts it reports that it is missing
  }
}
