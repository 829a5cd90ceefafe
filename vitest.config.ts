import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{apps,libs,tools}/**/*.test.ts', 'infra/**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/dist/**', '**/*.journey.test.ts', '**/*.compose.test.ts'],
    setupFiles: ['tools/random-tests.ts'],
    // Bounds of what hangs, not of what is slow: the tests share their cores with one another.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 30_000, interval: 20 } },
    pool: 'threads',
    // All cores: by default Vitest leaves one idle, which of two is half.
    maxWorkers: '100%',
  },
});
