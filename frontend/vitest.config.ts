import { defineConfig } from 'vitest/config';
import { alias, plugins } from './vite.shared.ts';

export default defineConfig({
  plugins: plugins(),
  // Rune classes are tested as the browser runs them.
  resolve: { alias, conditions: ['browser'] },
  test: {
    include: ['src/**/*.test.ts', 'guest/**/*.test.ts', 'host/**/*.test.ts'],
    environment: 'node',
    setupFiles: ['src/test/english.ts'],
    restoreMocks: true,
  },
});
