import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['infra/**/*.journey.test.ts'],
    exclude: ['**/node_modules/**'],
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 30_000, interval: 50 } },
    pool: 'threads',
  },
});
