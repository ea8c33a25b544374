// The home page (make site): with and without downloads, light and dark, wide and narrow, looked at by axe for every rule
// that it has, which are more than Lighthouse counts; and that it asks for nothing from elsewhere. The pictures are in
// build/screenshots.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import axe from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openChromium } from './lab/browsers.js';
import { root } from './lab/lab.js';

const pictures = join(root, 'build', 'screenshots');
const types: Record<string, string> = {
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
};

let work: string;
let server: Server;
let address: string;
let browser: Browser;
let page: Page;
const asked: string[] = [];
const complaints: string[] = [];

beforeAll(async () => {
  mkdirSync(pictures, { recursive: true });
  work = mkdtempSync(join(tmpdir(), 'porch-site-'));
  server = createServer((request, response) => {
    const file = request.url === '/' ? '/index.html' : new URL(request.url ?? '', address).pathname;
    try {
      const content = readFileSync(join(work, file));
      response.setHeader('Content-Type', types[extname(file)] ?? 'text/html');
      response.end(content);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  browser = await openChromium({ args: ['--disable-gpu'] });
  page = await browser.newPage();
  page.on('request', (request) => asked.push(request.url()));
  page.on('console', (message) => complaints.push(message.text()));
  page.on('requestfailed', (request) => complaints.push(`failed: ${request.url()}`));
});

afterAll(async () => {
  await browser?.close();
  server?.close();
  rmSync(work, { recursive: true, force: true });
});

function make(...args: string[]): void {
  execFileSync('node', ['scripts/site.mjs', '9.8.7', ...args, `--out=${work}`], { cwd: root });
}

async function faults(): Promise<string[]> {
  await page.evaluate(axe.source);
  return page.evaluate<string[]>(
    `axe.run(document).then(({ violations }) => violations
      .map(({ id, nodes }) => id + ': ' + nodes.map(({ target }) => target.join(' ')).join(', ')))`,
  );
}

const releases = 'https://github.com/porch-call/porch/releases/download/v9.8.7/';

describe.each([
  { name: 'before a release', released: false },
  { name: 'with downloads', released: true },
])('$name', ({ name, released }) => {
  beforeAll(async () => {
    const sums = join(work, 'SUMS');
    const files = [
      'porch-9.8.7-macos.dmg',
      'porch-9.8.7-windows-setup.exe',
      'porch_9.8.7_amd64.deb',
    ];
    writeFileSync(sums, files.map((file) => `${'0123456789abcdef'.repeat(4)}  ${file}\n`).join(''));
    make(...(released ? [sums] : []));
    await page.goto(address);
  });

  test.each([
    { width: 1280, scheme: 'light' },
    { width: 1280, scheme: 'dark' },
    { width: 390, scheme: 'light' },
    { width: 390, scheme: 'dark' },
  ] as const)('$scheme, $width pixels wide', async ({ width, scheme }) => {
    await page.setViewportSize({ width, height: 844 });
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    // Pictures that come late come when they are scrolled to.
    for (const image of await page.getByRole('img').all()) await image.scrollIntoViewIfNeeded();
    const broken = await page.evaluate<string[]>(
      '[...document.images].filter((i) => !i.complete || i.naturalWidth === 0).map((i) => i.src)',
    );
    expect(broken).toEqual([]);
    expect(await faults()).toEqual([]);
    expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBe(width);
    const file = `site-${name.replaceAll(' ', '-')}-${scheme}-${width}.png`;
    await page.screenshot({ path: join(pictures, file), fullPage: true });
  });

  test('every system has its download, or the page says that there is none yet', async () => {
    const links = await page.getByRole('link', { name: /^Download for / }).all();
    const to = await Promise.all(links.map((link) => link.getAttribute('href')));
    if (released) {
      expect(to).toEqual([
        `${releases}porch-9.8.7-windows-setup.exe`,
        `${releases}porch-9.8.7-macos.dmg`,
        `${releases}porch_9.8.7_amd64.deb`,
      ]);
    } else {
      expect(to).toEqual([]);
      await page.getByText('There is no release yet.').waitFor();
    }
  });

  test('every link within the page leads somewhere', async () => {
    const lost = await page.evaluate<string[]>(
      '[...document.querySelectorAll(\'a[href^="#"]\')].map((a) => a.hash).filter((h) => !document.querySelector(h))',
    );
    expect(lost).toEqual([]);
  });
});

test('privacy has ten sentences', async () => {
  const sentences = await page.locator('.privacy li').allTextContents();
  expect(sentences).toHaveLength(10);
  for (const sentence of sentences) expect(sentence.match(/[.!?](\s|$)/g)).toHaveLength(1);
});

test('the page asks for nothing from elsewhere, and nothing goes wrong in it', async () => {
  expect(asked.length).toBeGreaterThan(4);
  expect(asked.filter((url) => !url.startsWith(address))).toEqual([]);
  expect(complaints).toEqual([]);
  expect(readdirSync(work).filter((file) => file.endsWith('.js'))).toEqual([]);
  expect(await page.locator('script').count()).toBe(0);
});
