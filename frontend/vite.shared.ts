import { fileURLToPath } from 'node:url';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import type { UserConfig } from 'vite';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Plugins of both builds and of the unit tests. */
export const plugins = () => [svelte({ configFile: here('./svelte.config.js') })];

/** Import paths of both builds and of the unit tests; tsconfig.json has the same. */
export const alias = { $src: here('./src') };

/**
 * The build of one page. Both pages are served from the root of their origin,
 * under a policy that allows no inline script and no inline style.
 */
export const page = (name: 'guest' | 'host'): UserConfig => ({
  root: here(`./${name}`),
  base: '/',
  plugins: plugins(),
  resolve: { alias },
  build: {
    outDir: here(`./dist/${name}`),
    emptyOutDir: true,
    target: ['chrome105', 'firefox110', 'safari16'],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // An icon lands where it is drawn, not in the first chunk for all.
    rolldownOptions: { optimization: { inlineConst: { mode: 'all' } } },
  },
});
