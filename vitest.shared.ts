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
      execArgv: ['--conditions=@dray/source'],
      ...overrides,
    },
  });
}
