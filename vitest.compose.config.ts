import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['infra/**/*.compose.test.ts'],
    exclude: ['**/node_modules/**'],
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 300_000,
    pool: 'threads',
  },
});
