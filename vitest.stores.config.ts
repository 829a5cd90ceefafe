import { defineConfig } from 'vitest/config';

/** The API server's suite on another store than its own: ORRERY_TEST_STORE=store|etcd|replicas. */
export default defineConfig({
  test: {
    include: ['apps/apiserver/test/**/*.test.ts'],
    exclude: ['**/node_modules/**'],
    globalSetup: ['apps/apiserver/test/store-setup.ts'],
    // They share one store, and some compact it.
    fileParallelism: false,
    setupFiles: ['tools/random-tests.ts'],
    testTimeout: 20_000,
    pool: 'threads',
  },
});
