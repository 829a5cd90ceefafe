import { defineConfig } from 'vitest/config';

/** The API server's suite on another store than its own: ORRERY_TEST_STORE=store|cluster|etcd|replicas. */
const timeout = process.env['ORRERY_TEST_STORE'] === 'cluster' ? 120_000 : 60_000;

export default defineConfig({
  test: {
    include: ['apps/apiserver/test/**/*.test.ts'],
    exclude: ['**/node_modules/**'],
    globalSetup: ['apps/apiserver/test/store-setup.ts'],
    // They share one store, and some compact it.
    fileParallelism: false,
    setupFiles: ['tools/random-tests.ts'],
    testTimeout: timeout,
    hookTimeout: timeout,
    expect: { poll: { timeout: timeout / 2, interval: 20 } },
    pool: 'threads',
  },
});
