import { dray } from '../vitest.shared.ts';

// The engine is a whole-machine thing: one test file at a time.
export default dray('e2e', {
  include: ['**/*.test.ts'],
  exclude: ['**/node_modules/**'],
  fileParallelism: false,
  testTimeout: 120_000,
  hookTimeout: 120_000,
  reporters: ['default'],
});
