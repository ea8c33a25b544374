import e2e from './vitest.e2e.config.ts';

// Latencies in browsers, with budgets; see `make bench`.
export default { ...e2e, test: { ...e2e.test, include: ['e2e/**/*.bench.ts'] } };
