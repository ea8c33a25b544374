// The screens of host and guest in other languages: nothing is cut off or wider than the screen, axe is content, and in
// Arabic all runs from right to left. The pseudo-language finds texts that are written in the code. They are the
// gallery's scenes, which need no app. `make screenshots-languages` asks for all languages and keeps the pictures.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { build, loadConfigFromFile, type PreviewServer, preview } from 'vite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { seriousOn } from './lab/axe.js';
import { openChromium } from './lab/browsers.js';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const pictures = here('../../build/screenshots/languages');

/** Every screen, and of its states those that have words of their own. */
const screens =
  'home-empty home home-knocks home-notice home-away first-run program-notes share share-more details settings settings-end data data-erase about reach-remove call call-people call-chat call-leave call-remove in-call-details in-call-lowers guest-door guest-door-devices guest-door-refused guest-waiting guest-waiting-outside guest-waiting-rename guest-waiting-away guest-declined guest-left guest-ended guest-kicked guest-replaced guest-moved guest-spent guest-removed guest-malformed guest-mismatch guest-unavailable guest-unusable call-chat-empty call-co-host call-move call-details call-paused call-lost call-faults call-screen-own call-screen-instead call-shortcuts call-devices call-effects home-flood home-undo home-recorded details-times details-messages details-history share-copy share-calendar share-text guest-opens guest-new-address call-recorded call-asked call-recording call-files call-hands call-view-menu call-react-menu'.split(
    ' ',
  );

/** Languages to keep pictures of, or 'all'. */
const asked = process.env.PORCH_LANGUAGES ?? '';
const all = asked !== '';
const known = ['en', 'de', 'es', 'fr', 'it', 'pt-BR', 'ar', 'hi', 'ja', 'zh-Hans', 'en-XA'];
const languages = asked === 'all' ? known : asked ? asked.split(',') : ['en-XA', 'ar'];
const narrow = { '390': { width: 390, height: 844 } };
const sizes = all ? { ...narrow, wide: { width: 1100, height: 760 } } : narrow;

let server: PreviewServer;
let browser: Browser;
let url: string;
let scenes: string[];

beforeAll(async () => {
  const loaded = await loadConfigFromFile(
    { command: 'serve', mode: 'development' },
    here('../vite.host.config.ts'),
  );
  const { plugins, resolve, css } = loaded!.config;
  const gallery = {
    configFile: false as const,
    root: here('./gallery'),
    plugins,
    resolve,
    css,
    logLevel: 'error' as const,
    build: { outDir: here('./gallery/dist'), emptyOutDir: true },
    preview: { port: 0, host: '127.0.0.1' },
  };
  await build(gallery);
  server = await preview(gallery);
  url = server.resolvedUrls!.local[0]!;
  browser = await openChromium({ args: ['--disable-gpu'] });
  const index = await browser.newPage();
  await index.goto(url);
  scenes = (await index.locator('a').allTextContents()).filter((name) => screens.includes(name));
  await index.close();
  if (all) mkdirSync(pictures, { recursive: true });
}, 180_000);

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

/**
 * What is cut off: an element with words that are wider or higher than it is, and that shows no more than it is. A name
 * that a person typed may end in dots; it is there in whole elsewhere.
 */
const cutOff = `[...document.querySelectorAll('body *')].filter((element) => {
  if (!(element instanceof HTMLElement) || !element.checkVisibility()) return false;
  if (element.closest('[translate=no], [dir=auto], .visually-hidden, select, textarea, video')) return false;
  const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  if (!own || element.querySelector('[translate=no], [dir=auto]')) return false;
  const { overflowX, overflowY, textOverflow } = getComputedStyle(element);
  const clips = (how) => how === 'hidden' || how === 'clip';
  const isButton = element.matches('button, [role=button], a');
  return ((clips(overflowX) || textOverflow === 'ellipsis' || isButton) && element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0)
    || (clips(overflowY) && element.scrollHeight > element.clientHeight + 2 && element.clientHeight > 0);
}).map((element) => 'cut off: ' + element.tagName.toLowerCase() + '.' + element.className + ': ' + element.textContent.trim().slice(0, 80))`;

/** Words that are in no message: in the pseudo-language each message stands between brackets. */
const unsaid = `(() => {
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const { data, parentElement } = walk.currentNode;
    if (!parentElement?.checkVisibility() || parentElement.closest('[translate=no], [dir=auto], [lang]:not(html), code, kbd, pre, style, script, svg, input, bdi')) continue;
    const text = parentElement.textContent.trim();
    if (/[a-z]{3,}/i.test(data) && !/[\\[\\]áçéíñöšüý]/.test(text) && !/^[\\d\\s.,:]*[a-zA-Z]{1,3}( · [\\d\\s.,:]+[a-zA-Z]{1,3})*$/.test(text)) found.push('no message: ' + text.slice(0, 80));
  }
  return found;
})()`;

/** Texts of the scenes that are nobody's message: names of people, links and relays, what they write, dates. */
const sample =
  /Grandma|Theo|Mia|Ada|Ben|Boris|Cleo|Sunday|Book club|Porch$|porch\.example|\.example|FaceTime|Built-in|today|yesterday|ago|AM|PM|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|English|Deutsch|Español|Français|Italiano|Português|kbit|Mbit|second|minute|cake|Perfect|Not yet|Can everybody|Tea|Ten languages|Open at login|Fake/;

async function look(page: Page, language: string, scene: string): Promise<string[]> {
  const wrong: string[] = [];
  for (const [size, viewport] of Object.entries(sizes)) {
    await page.setViewportSize(viewport);
    await page.goto(`${url}?scene=${scene}`);
    await page.locator('html[data-ready]').waitFor();
    await page.evaluate(
      'new Promise((drawn) => setTimeout(() => requestAnimationFrame(drawn), 200))',
    );
    for (const scheme of all ? (['light', 'dark'] as const) : (['light'] as const)) {
      await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
      const at = `${language} ${scene} ${scheme} ${size}`;
      const serious = await seriousOn(page, scheme === 'light' ? 'everything' : 'colours');
      wrong.push(
        ...serious
          // A word in brackets is not a part of a sentence in brackets; a unit test looks at the real languages.
          .filter((line) => language !== 'en-XA' || !line.startsWith('label-content-name-mismatch'))
          .map((line) => `${at}: ${line}`),
      );
      if (all) {
        const path = join(pictures, `${scene}-${language}-${scheme}-${size}.png`);
        await page.screenshot({ path });
      }
    }
    const at = `${language} ${scene} ${size}`;
    const over = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
    if (over > 0) wrong.push(`${at}: ${over} px wider than the screen`);
    wrong.push(...(await page.evaluate<string[]>(cutOff)).map((line) => `${at}: ${line}`));
    if (language === 'en-XA') {
      const texts = await page.evaluate<string[]>(unsaid);
      wrong.push(...texts.filter((text) => !sample.test(text)).map((line) => `${at}: ${line}`));
    }
  }
  return wrong;
}

test.each(languages)('screens in %s', { timeout: 1_200_000 }, async (language) => {
  expect(scenes.length).toBeGreaterThan(25);
  const context = await browser.newContext({ locale: language });
  const page = await context.newPage();
  const wrong: string[] = [];
  page.on('pageerror', (error) => wrong.push(`${language}: ${error}`));
  for (const scene of scenes) wrong.push(...(await look(page, language, scene)));
  const [tag, direction] = await page.evaluate<[string, string]>(
    '[document.documentElement.lang, getComputedStyle(document.body).direction]',
  );
  expect(tag).toBe(language === 'en-XA' ? 'en' : language);
  expect(direction).toBe(language === 'ar' ? 'rtl' : 'ltr');
  await context.close();
  expect([...new Set(wrong)]).toEqual([]);
});
