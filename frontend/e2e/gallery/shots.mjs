// Pictures of the gallery's scenes in light and dark, wide and 390 px, in
// e2e/shots: node e2e/gallery/shots.mjs [part of a scene's name …]
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { build, loadConfigFromFile, preview } from 'vite';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { config } = await loadConfigFromFile(
  { command: 'serve', mode: 'development' },
  here('../../vite.host.config.ts'),
);
const gallery = {
  configFile: false,
  root: here('.'),
  plugins: config.plugins,
  resolve: config.resolve,
  css: config.css,
  logLevel: 'error',
  build: { outDir: here('./dist'), emptyOutDir: true },
  preview: { port: 0, host: '127.0.0.1' },
};
await build(gallery);
const server = await preview(gallery);
const url = server.resolvedUrls.local[0];
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'],
});
const out = here('../shots');
mkdirSync(out, { recursive: true });
try {
  const wanted = process.argv.slice(2);
  const index = await browser.newPage();
  await index.goto(url, {});
  const scenes = await index.locator('a').allTextContents();
  for (const scene of scenes) {
    if (wanted.length > 0 && !wanted.some((part) => scene.includes(part))) continue;
    for (const colorScheme of ['light', 'dark']) {
      for (const [size, viewport] of [
        ['wide', { width: 1100, height: 760 }],
        ['390', { width: 390, height: 844 }],
      ]) {
        const page = await browser.newPage({ colorScheme, viewport, reducedMotion: 'reduce' });
        page.on('pageerror', (error) => console.error(scene, error));
        page.on('console', (said) => said.type() === 'error' && console.error(scene, said.text()));
        await page.goto(`${url}?scene=${scene}`);
        await page.locator('html[data-ready]').waitFor();
        if (scene.includes('details'))
          await page
            .getByText('a second')
            .first()
            .waitFor()
            .catch(() => {});
        await page.evaluate(
          'new Promise((drawn) => setTimeout(() => requestAnimationFrame(drawn), 150))',
        );
        await page.screenshot({ path: `${out}/${scene}-${colorScheme}-${size}.png` });
        await page.close();
      }
    }
  }
} finally {
  await browser.close();
  await server.close();
}
