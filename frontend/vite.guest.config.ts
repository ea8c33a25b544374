import { defineConfig } from 'vite';
import { later } from './vite.later.ts';
import { page } from './vite.shared.ts';

const config = page('guest');

export default defineConfig({
  ...config,
  plugins: [
    config.plugins,
    later(['dom/blocks/each.js', 'dom/elements/bindings/size.js', 'dom/blocks/snippet.js']),
  ],
});
