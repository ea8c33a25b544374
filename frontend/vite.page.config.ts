import { defineConfig, type Plugin } from 'vite';
import { never } from './vite.never.ts';
import { page } from './vite.shared.ts';

const config = page('guest');

/**
 * What a relay says in headers, and a web space may not: nothing inline, nothing from elsewhere, and no word to anybody
 * about where a visitor comes from. Calls need no connection that this policy knows of.
 */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; " +
  "media-src 'self' blob: mediastream:; connect-src 'none'; manifest-src 'self'; worker-src 'self'; " +
  "base-uri 'none'; form-action 'none'";

const still = (): Plugin => ({
  name: 'porch:page',
  transformIndexHtml: {
    order: 'pre',
    handler: (html) => ({
      html: html.replace('./main.ts', './page.ts'),
      tags: [
        { tag: 'meta', attrs: { 'http-equiv': 'Content-Security-Policy', content: policy } },
        { tag: 'meta', attrs: { name: 'referrer', content: 'no-referrer' } },
      ].map((tag) => ({ ...tag, injectTo: 'head-prepend' as const })),
    }),
  },
});

export default defineConfig({
  ...config,
  base: './', // in whatever folder of a web space
  plugins: [config.plugins, never(), still()],
  build: { ...config.build, outDir: new URL('./dist/page', import.meta.url).pathname },
});
