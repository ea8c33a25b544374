import { defineConfig } from 'vite';
import { never } from './vite.never.ts';
import { page } from './vite.shared.ts';

const config = page('guest');

export default defineConfig({
  ...config,
  plugins: [config.plugins, never()],
});
