import nx from '@nx/eslint-plugin';
import tseslint from 'typescript-eslint';

/** Which part may import which: the arrows of ARCHITECTURE.md. */
const arrows = {
  composition: ['api', 'containerd', 'shim', 'runtime', 'native', 'network', 'builder', 'image', 'tls', 'proto', 'ttrpc'],
  client: ['api'],
  api: ['builder', 'network', 'image', 'proto'],
  builder: ['image'],
  network: ['native'],
  containerd: ['proto', 'ttrpc', 'image', 'native'],
  proto: [],
  ttrpc: [],
  shim: ['proto', 'ttrpc', 'runtime', 'native'],
  runtime: ['native'],
  native: [],
  image: ['native'],
  tls: [],
};

export default tseslint.config(
  { ignores: ['**/dist/**', '**/build/**', '**/src/gen/**', '**/node_modules/**', '.nx/**', '**/*.mjs', '**/vitest.config.ts', 'vitest.shared.ts', '**/*.test.ts', 'packages/*/test/**', 'e2e/**'] },
  {
    files: ['packages/*/src/**/*.ts'],
    extends: [...tseslint.configs.strictTypeChecked, ...tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: { allowDefaultProject: [] }, tsconfigRootDir: import.meta.dirname } },
    plugins: { '@nx': nx },
    rules: {
      '@nx/enforce-module-boundaries': ['error', {
        enforceBuildableLibDependency: true,
        depConstraints: Object.entries(arrows).map(([part, targets]) => ({
          sourceTag: `part:${part}`,
          onlyDependOnLibsWithTags: targets.map((target) => `part:${target}`),
        })),
      }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/consistent-type-definitions': ['error', 'interface'],
      '@typescript-eslint/dot-notation': ['error', { allowIndexSignaturePropertyAccess: true }],
      '@typescript-eslint/no-misused-spread': 'off',
      // Names that begin with an underscore are there for their lifetime only (`using _signals = …`).
      '@typescript-eslint/no-unused-vars': ['error', { varsIgnorePattern: '^_', argsIgnorePattern: '^_' }],
      // The empty string stands for "not given" in Docker's API.
      '@typescript-eslint/prefer-nullish-coalescing': ['error', { ignorePrimitives: { string: true } }],
      '@typescript-eslint/no-generated-empty-object-type': 'off',
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true }],
    },
  },
);
