import { defineConfig } from 'vite';
import { later } from './vite.later.ts';
import { never } from './vite.never.ts';
import { page } from './vite.shared.ts';

const config = page('guest');

export default defineConfig({
  ...config,
  plugins: [
    config.plugins,
    never(),
    later(['dom/blocks/each.js', 'dom/blocks/snippet.js', 'dom/elements/bindings/size.js']),
  ],
});
