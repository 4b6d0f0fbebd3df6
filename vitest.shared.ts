import { defineConfig, type ViteUserConfig } from 'vitest/config';

/** The vitest configuration every package shares: sources are read through the `@dray/source` export condition, so no build is needed. */
export function dray(name: string, overrides: NonNullable<ViteUserConfig['test']> = {}): ViteUserConfig {
  return defineConfig({
    resolve: { conditions: ['@dray/source'] },
    ssr: { resolve: { conditions: ['@dray/source'], externalConditions: ['@dray/source'] } },
    test: {
      name,
      include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
      pool: 'forks',
      maxWorkers: 2,
      // Only a hang is to be found by a clock, also on a busy machine.
      testTimeout: 60_000,
      hookTimeout: 60_000,
      expect: { poll: { timeout: 20_000 } },
      execArgv: ['--conditions=@dray/source'],
      ...overrides,
    },
  });
}
