import e2e from './vitest.e2e.config.ts';

// Calls across NATs, in network namespaces; see `make lab`.
export default {
  ...e2e,
  test: { ...e2e.test, include: ['e2e/**/*.lab.ts'], testTimeout: 300_000, hookTimeout: 180_000 },
};
