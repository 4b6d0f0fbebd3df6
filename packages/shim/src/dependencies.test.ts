import { createRequire } from 'node:module';
import { expect, test } from 'vitest';

test('the package pulls in its own siblings and the protobuf runtime, nothing else', () => {
  const manifest = createRequire(import.meta.url)('../package.json') as { readonly dependencies: Readonly<Record<string, string>> };
  expect(Object.keys(manifest.dependencies).sort()).toEqual(['@bufbuild/protobuf', '@dray/containerd-api', '@dray/libcontainer', '@dray/runc', '@dray/ttrpc']);
});
