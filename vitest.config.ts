import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{apps,libs,tools}/**/*.test.ts', 'infra/**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/dist/**', '**/*.journey.test.ts', '**/*.compose.test.ts'],
    setupFiles: ['tools/random-tests.ts'],
    testTimeout: 20_000,
    pool: 'threads',
    // All cores: by default Vitest leaves one idle, which of two is half.
    maxWorkers: '100%',
  },
});
