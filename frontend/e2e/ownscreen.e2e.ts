// The screen that the app itself shares, where the webview can't (Linux): the host's page in Chromium with the engine of the
// app, which takes the pictures of the lab's display; a guest in Chromium and one in Firefox see them.
import type { Browser, Page } from 'playwright-core';
import type { Browser as FirefoxBrowser, Page as FirefoxPage } from 'puppeteer-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { seriousOn } from './lab/axe.js';
import {
  chromiumPage,
  evaluate,
  firefoxPage,
  openChromium,
  openFirefox,
  pressFirefox,
} from './lab/browsers.js';
import { controls, knock } from './lab/guest.js';
import { createLink, letIn } from './lab/host.js';
import { Lab } from './lab/lab.js';
import { until } from './lab/processes.js';

let lab: Lab;
let chromium: Browser;
let firefox: FirefoxBrowser;
let host: Page;
let ada: Page;
let boris: FirefoxPage;

const width = 1000;
const height = 700;

beforeAll(async () => {
  lab = await Lab.open({ screen: [width, height] });
  const app = await lab.startApp({ dev: true, synthetic: true });
  [chromium, firefox] = await Promise.all([
    openChromium({ args: ['--disable-gpu'] }),
    openFirefox(),
  ]);
  host = await chromiumPage(chromium, { viewport: { width: 900, height: 640 } });
  await host.goto(app.url);
  await host.evaluate(`(async () => {
    const { settings } = await window.go.main.App.Snapshot();
    await window.go.main.App.SetSettings({ ...settings, engine: 'native' });
    await window.go.main.App.SetName('Sam');
  })()`);
  const address = await createLink(lab, host);
  ada = await chromiumPage(chromium, { viewport: { width: 900, height: 640 } });
  await knock(ada, address, 'Ada');
  await letIn(host, 'Ada');
  await controls(ada).waitFor();
  boris = await firefoxPage(firefox);
  await boris.goto(address);
  await boris.locator('aria/Your name[role="textbox"]').fill('Boris');
  await pressFirefox(boris, 'Join');
  await letIn(host, 'Boris');
  await until('Boris is in', () =>
    evaluate<boolean>(boris, 'document.body.innerText.includes("Ada")'),
  );
});

afterAll(async () => {
  await firefox?.close();
  await chromium?.close();
  await lab?.close();
});

const press = (name: string) => controls(host).getByRole('button', { name, exact: true }).click();
const question = () => host.getByRole('alertdialog', { name: 'Share screen' });

/** A spot, which the pointer in the middle is not over, of the screen that a page receives, and its size; undefined while there is none. */
const shown = (page: Page | FirefoxPage) =>
  evaluate<{ width: number; height: number; spot: number[] } | undefined>(
    page,
    `(() => {
      for (const video of document.querySelectorAll('video')) {
        if (video.videoWidth !== ${width} || !video.videoHeight) continue;
        const canvas = document.createElement('canvas');
        canvas.width = canvas.height = 1;
        const context = canvas.getContext('2d');
        context.drawImage(video, video.videoWidth / 4, video.videoHeight / 4, 1, 1, 0, 0, 1, 1);
        return { width: video.videoWidth, height: video.videoHeight, spot: [...context.getImageData(0, 0, 1, 1).data] };
      }
    })()`,
  );

/** Paints the lab's display over everything that is on it. */
const paint = (colour: string) =>
  lab.processes.start(`paint-${colour.slice(1)}`, 'display', [
    '-geometry',
    `${width}x${height}+0+0`,
    `xc:${colour}[${width}x${height}!]`,
  ]);

test('the host is asked which screen, and can say none', async () => {
  await press('Share screen');
  await question().waitFor();
  expect(await question().textContent()).toContain('Everybody in the call sees all of it');
  expect(await seriousOn(host, 'everything')).toEqual([]);
  await question().getByRole('button', { name: 'Cancel' }).click();
  await question().waitFor({ state: 'detached' });
  await controls(host).getByRole('button', { name: 'Share screen' }).waitFor();
  expect(await shown(ada)).toBeUndefined();
});

test('guests see it in its own size, and what changes on it', async () => {
  await press('Share screen');
  await question()
    .getByRole('button', { name: `Screen 1, ${width} × ${height}` })
    .click();
  await controls(host).getByRole('button', { name: 'Stop sharing' }).waitFor();
  for (const colour of ['#d02010', '#1030d0']) {
    const painted = paint(colour);
    const wanted = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
    for (const [name, page] of [
      ['Ada', ada],
      ['Boris', boris],
    ] as const)
      await until(`${name} sees the screen in ${colour}`, async () => {
        const now = await shown(page);
        if (!wanted.every((part, i) => Math.abs(part - (now?.spot[i] ?? 0)) < 30))
          throw new Error(JSON.stringify(now));
        return now?.height === height;
      });
    await painted.stop();
  }
});

test('it ends with a press, and with the page of whoever shares it', async () => {
  await press('Stop sharing');
  await until('no screen', async () => (await shown(ada)) === undefined);
  await press('Share screen');
  await question()
    .getByRole('button', { name: /^Screen 1/ })
    .click();
  await until('the screen again', async () => (await shown(ada)) !== undefined);
  await host.reload();
  await until('no screen after the reload', async () => (await shown(ada)) === undefined);
});

test('the native engine has filters, and says why it has no more', async () => {
  await press('Effects');
  const dialog = host.getByRole('dialog', { name: 'Effects' });
  expect(await dialog.getByRole('radio').count()).toBe(5);
  await dialog.getByText('no backgrounds or stickers').waitFor();
  await dialog.getByRole('radio', { name: 'Black and white' }).check();
  await until('it is chosen', () =>
    host.evaluate<boolean>(
      "window.go.main.App.Snapshot().then(({ settings }) => settings.effect === 'mono')",
    ),
  );
  await host.keyboard.press('Escape');
});
