import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

it('the package brings these runtime dependencies and no other', () => {
  const manifest = JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8')) as { readonly dependencies: Record<string, string> };
  expect(Object.keys(manifest.dependencies).sort()).toEqual([
    '@bufbuild/protobuf',
    '@dray/containerd-api',
    '@dray/libcontainer',
    '@dray/oci-image',
    '@dray/ttrpc',
    '@grpc/grpc-js',
    'pino',
    'smol-toml',
  ]);
});
