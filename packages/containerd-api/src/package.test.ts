import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

it('needs no more at run time than it says here', () => {
  const { dependencies } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { dependencies: object };
  expect(Object.keys(dependencies)).toEqual(['@bufbuild/protobuf', '@grpc/grpc-js']);
});

it('has a file behind every subpath', () => {
  const { exports } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { exports: Record<string, string | { '@dray/source': string }> };
  for (const target of Object.values(exports)) {
    const path = typeof target === 'string' ? target : target['@dray/source'];
    expect(readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')).not.toBe('');
  }
});
