import { defineConfig } from 'vitest/config';

// Browser and window tests: the real app, one story after the other.
export default defineConfig({
  test: {
    include: ['e2e/**/*.e2e.ts'],
    testTimeout: 180_000,
    hookTimeout: 90_000,
    fileParallelism: false,
    pool: 'forks',
    reporters: ['verbose'],
  },
});
