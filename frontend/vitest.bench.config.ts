import { defineConfig, mergeConfig } from 'vitest/config';
import e2e from './vitest.e2e.config.ts';

// Latencies in browsers, with budgets; see `make bench`.
const config = mergeConfig(e2e, defineConfig({}));
config.test.include = ['e2e/**/*.bench.ts'];
export default config;
