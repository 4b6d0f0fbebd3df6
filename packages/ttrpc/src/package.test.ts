import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

it('needs no more at run time than it says here', () => {
  const { dependencies } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { dependencies: object };
  expect(Object.keys(dependencies)).toEqual(['@bufbuild/protobuf']);
});
