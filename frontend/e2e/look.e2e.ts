// What nobody looks at is not sent: a tab that is hidden, and a tile that is off the screen, in Chromium and in Firefox
// (A11 of the media work). A headless browser has no tab in front of another, so that the page is told that it is hidden
// as the browser would tell it; tiles are moved off the screen for real.
import type { Browser, Page } from 'playwright-core';
import type { Browser as FirefoxBrowser, Page as FirefoxPage } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  chromiumPage,
  evaluate,
  firefoxPage,
  openChromium,
  openFirefox,
  picturePackets,
  picturesMade,
  pressFirefox,
  showPage,
  soundReceived,
} from './lab/browsers.js';
import { createLink } from './lab/host.js';
import { type App, Lab } from './lab/lab.js';
import { until } from './lab/processes.js';

/** What must be, in milliseconds: no picture comes any more, nobody makes one any more, one is drawn again. */
const must = { stop: 2000, off: 4000, back: 500 };

/**
 * How many times that these tests allow. Three browsers and the app draw, code and decode moving pictures in software, on
 * two cores that other work may share; what is asked of the page waits as well. The figures are printed.
 */
const slack = 3;

type AnyPage = Page | FirefoxPage;

let lab: Lab;
let app: App;
let chromium: Browser;
let firefox: FirefoxBrowser;
let host: Page;
let address: string;

beforeAll(async () => {
  lab = await Lab.open();
  app = await lab.startApp({ dev: true });
  chromium = await openChromium();
  firefox = await openFirefox();
  host = await chromiumPage(chromium, { viewport: { width: 900, height: 640 } });
  await host.goto(app.url);
  address = await createLink(lab, host);
});

afterAll(async () => {
  await chromium?.close();
  await firefox?.close();
  await lab?.close();
});

async function adaInChromium(): Promise<AnyPage> {
  const page = await chromiumPage(chromium, { viewport: { width: 900, height: 640 } });
  await page.goto(address);
  await page.getByRole('textbox', { name: 'Your name' }).fill('Ada');
  await page.getByRole('button', { name: 'Join', exact: true }).click();
  return page;
}

async function adaInFirefox(): Promise<AnyPage> {
  const page = await firefoxPage(firefox);
  await page.goto(address);
  await page.locator('aria/Your name[role="textbox"]').fill('Ada');
  await pressFirefox(page, 'Join');
  return page;
}

/** Moves the tiles of the others off the screen, or back. */
const move = (page: AnyPage, onScreen: boolean) =>
  evaluate<void>(
    page,
    `(() => {
      for (const tile of document.querySelectorAll('.tile:not(:has(.mirrored))')) tile.style.left = ${JSON.stringify(onScreen ? '' : '-9999px')};
    })()`,
  );

/** How long until a figure of a page stays the same for a second, from now on. */
async function stands(what: string, figure: () => Promise<number>, limit: number): Promise<number> {
  const since = Date.now();
  let before = await figure();
  let changed = Date.now();
  await until(
    what,
    async () => {
      const now = await figure();
      if (now !== before) changed = Date.now();
      before = now;
      return Date.now() - changed > 1000;
    },
    { within: limit * slack + 2000, every: 50 },
  );
  return changed - since;
}

/** Does something in a page, and says how many milliseconds later the next picture of another is drawn there. */
async function drawn(page: AnyPage, doing: () => Promise<void>): Promise<number> {
  await evaluate<void>(
    page,
    `(() => {
      const video = document.querySelector('.tile:not(:has(.mirrored)) video');
      window.__drawn = new Promise((done) => video.requestVideoFrameCallback(() => done(performance.now())));
      document.addEventListener('visibilitychange', () => { window.__began = performance.now(); }, { once: true, capture: true });
      window.__began = performance.now();
    })()`,
  );
  await doing();
  return evaluate<number>(page, 'window.__drawn.then((at) => at - window.__began)');
}

describe.each([
  ['Chromium', adaInChromium],
  ['Firefox', adaInFirefox],
] as const)('a guest in %s', (browser, join) => {
  let ada: AnyPage;

  beforeAll(async () => {
    ada = await join();
    await host.getByRole('button', { name: 'Let in Ada' }).click();
    await host.getByRole('toolbar', { name: 'Call controls' }).waitFor();
    for (const page of [host, ada]) {
      await until('pictures come', async () => (await picturePackets(page)) > 20);
    }
  });

  afterAll(async () => {
    await ada?.close();
    await until('the host is alone', async () => (await host.getByRole('group').count()) === 1, {
      within: 60_000,
    });
  });

  const figures = (what: string, stop: number, off: number, back: number) => {
    console.log(
      `${browser}, ${what}: pictures stop after ${stop} ms, are made no more after ${off} ms, back in ${Math.round(back)} ms`,
    );
    expect(stop).toBeLessThan(must.stop * slack);
    expect(off).toBeLessThan(must.off * slack);
    expect(back).toBeLessThan(must.back * slack);
  };

  for (const [what, see] of [
    ['a hidden tab', showPage],
    ['a tile off the screen', move],
  ] as const) {
    test(`is sent nothing for ${what}, and nobody makes it`, async () => {
      const heard = await soundReceived(ada);
      await see(ada, false);
      const [stop, off] = await Promise.all([
        stands('no picture comes', () => picturePackets(ada), must.stop),
        stands('the host makes none', () => picturesMade(host), must.off),
      ]);
      await until('sound goes on', async () => (await soundReceived(ada)) > heard + 1e-4);
      const back = await drawn(ada, () => see(ada, true));
      figures(what, stop, off, back);
    });
  }

  test('makes no picture for a host who does not look', async () => {
    await showPage(host, false);
    const [stop, off] = await Promise.all([
      stands('no picture comes', () => picturePackets(host), must.stop),
      stands('the guest makes none', () => picturesMade(ada), must.off),
    ]);
    const back = await drawn(host, () => showPage(host, true));
    figures('a hidden window of the host', stop, off, back);
  });
});
