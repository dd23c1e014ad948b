import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: ['test/**/*.test.ts'],
    // A test that needs longer says so by name (test/support/limits.ts).
    testTimeout: 10_000,
    setupFiles: ['test/support/unmet-waits.ts'],
    hookTimeout: 120_000,
    // Many tests wait for other processes: on two cores, vitest's own choice of one worker takes twice as long.
    maxWorkers: 3,
  },
});
