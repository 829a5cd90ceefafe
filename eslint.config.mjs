import nx from '@nx/eslint-plugin';
import tseslint from 'typescript-eslint';
import { orreryRules } from './tools/eslint-rules.mjs';

/** Which layers a layer may import; see docs/HACKING.md. */
const layers = {
  base: ['base'],
  pure: ['base', 'pure'],
  machinery: ['base', 'pure', 'machinery'],
  adapter: ['base', 'pure', 'machinery', 'adapter'],
  app: ['base', 'pure', 'machinery', 'adapter'],
  test: ['base', 'pure', 'machinery', 'adapter', 'app', 'test'],
};

const depConstraints = [
  ...Object.entries(layers).map(([layer, allowed]) => ({
    sourceTag: `layer:${layer}`,
    onlyDependOnLibsWithTags: allowed.map((name) => `layer:${name}`),
  })),
  // The API server reaches the store only through the etcd contract, the kubelet containers only through CRI.
  { sourceTag: 'scope:apiserver', notDependOnLibsWithTags: ['scope:store', 'scope:node'] },
  { sourceTag: 'scope:kubelet', notDependOnLibsWithTags: ['scope:store'] },
];

/** The cli composes whole clusters, so it alone may import apps, and only their `./component` export. */
const composition = ['apps/cli/**/*.ts'];

const clockAndChance = [
  { object: 'Date', property: 'now', message: 'Use env.clock.now().' },
  { object: 'performance', property: 'now', message: 'Use env.clock.monotonic().' },
  { object: 'Math', property: 'random', message: 'Use env.random.' },
  { object: 'AbortSignal', property: 'timeout', message: 'Use timeoutSignal(env.clock, …).' },
  { object: 'crypto', property: 'randomUUID', message: 'Use env.random.uuid().' },
];

const timers = ['setTimeout', 'setInterval', 'setImmediate'].map((name) => ({ name, message: 'Use env.clock.' }));

const impureSyntax = [
  { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: 'Use env.clock.now().' },
  { selector: 'ClassDeclaration[superClass]:not([superClass.name=/Error$/])', message: 'No inheritance but from Error: compose functions.' },
  { selector: 'ExportDefaultDeclaration', message: 'Named exports only.' },
];

export default tseslint.config(
  { ignores: ['**/node_modules', '**/dist', '**/gen', '.nx', '**/*.mjs', '**/*.js', '**/fixtures/**'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.base],
    plugins: { '@nx': nx, orrery: orreryRules },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrors: 'none', ignoreRestSiblings: true }],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports', prefer: 'type-imports', disallowTypeAnnotations: false }],
      'no-empty': ['error', { allowEmptyCatch: false }],
      'no-restricted-syntax': ['error', ...impureSyntax.slice(1)],
      'prefer-const': 'error',
      'no-var': 'error',
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'max-lines': ['error', { max: 500 }],
    },
  },
  {
    files: ['{apps,libs}/**/*.ts'],
    rules: {
      '@nx/enforce-module-boundaries': ['error', { enforceBuildableLibDependency: false, checkDynamicDependenciesExceptions: ['.*'], allow: [], depConstraints }],
      'orrery/function-lines': ['error', { max: 70 }],
    },
  },
  {
    files: ['{apps,libs}/**/*.ts'],
    // rpc/src/grpc.ts hands deadlines to grpc-js, which reads the real clock itself; the cli is the edge of the whole program.
    ignores: ['libs/{node-io,cri,linux,testkit}/**', 'apps/*/src/main.ts', 'apps/cli/**', 'libs/rpc/src/grpc.ts', '**/*.test.ts', '**/test/**', '**/testing/**', '**/testing.ts', '**/bench/**'],
    rules: {
      'no-restricted-imports': ['error', { patterns: [{ regex: '^node:', message: 'Node built-ins belong to adapters (libs/node-io, libs/cri, libs/linux) and main.ts.' }] }],
      'no-restricted-properties': ['error', ...clockAndChance],
      'no-restricted-globals': ['error', ...timers],
      'no-restricted-syntax': ['error', ...impureSyntax],
    },
  },
  // Tables are long by nature; tests are lists of cases.
  { files: ['**/*.test.ts', '**/test/**', '**/testing/**', '**/testing.ts', '**/bench/**', 'libs/testkit/**'], rules: { 'orrery/function-lines': 'off', '@nx/enforce-module-boundaries': 'off' } },
  { files: ['libs/api/schema/**', '**/*-table.ts', 'libs/api/src/resources.ts', '**/bootstrap/**'], rules: { 'max-lines': 'off', 'orrery/function-lines': 'off' } },
  { files: composition, rules: { '@nx/enforce-module-boundaries': ['error', { checkDynamicDependenciesExceptions: ['.*'], depConstraints: [{ sourceTag: '*', onlyDependOnLibsWithTags: ['*'] }] }] } },
);
