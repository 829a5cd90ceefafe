import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['infra/**/*.journey.test.ts'],
    exclude: ['**/node_modules/**'],
    fileParallelism: false,
    testTimeout: 20_000,
    pool: 'threads',
  },
});
