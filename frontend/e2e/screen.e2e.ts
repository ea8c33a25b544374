// Sharing a screen, on the real app: a guest's in Chromium, seen by the host and by a guest in Firefox; the host's; and every
// way in which it ends. Chromium's display is a fake one here, which moves and comes with a sound.
import type { Browser, Page } from 'playwright-core';
import type { Browser as FirefoxBrowser, Page as FirefoxPage } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { seriousOn } from './lab/axe.js';
import {
  chromiumPage,
  evaluate,
  firefoxPage,
  openChromium,
  openFirefox,
  pictureOf,
  pressFirefox,
} from './lab/browsers.js';
import { controls, knock } from './lab/guest.js';
import { createLink, letIn } from './lab/host.js';
import { Lab } from './lab/lab.js';
import { until } from './lab/processes.js';
import { devicesOf, people } from './people.js';

let lab: Lab;
let chromium: Browser;
let firefox: FirefoxBrowser;
let host: Page;
let ada: Page;
let boris: FirefoxPage;
let address: string;

beforeAll(async () => {
  lab = await Lab.open();
  const app = await lab.startApp({ dev: true, synthetic: false });
  [chromium, firefox] = await Promise.all([
    openChromium({ args: ['--disable-gpu'] }), // not one that is itself played in software
    openFirefox(),
  ]);
  host = await page('host');
  await host.goto(app.url);
  await host.evaluate("window.go.main.App.SetName('Sam')");
  address = await createLink(lab, host);
  ada = await page('grandma');
  await knock(ada, address, 'Ada');
  await letIn(host, 'Ada');
  await controls(ada).waitFor();
  boris = await firefoxPage(firefox);
  await boris.goto(address);
  await boris.locator('aria/Your name[role="textbox"]').fill('Boris');
  await pressFirefox(boris, 'Join');
  await letIn(host, 'Boris');
  await until('Boris is in', () => says(boris, 'Ada'));
  await pressFirefox(boris, 'Turn camera off'); // 30 pictures a second, which nobody here looks at
});

afterAll(async () => {
  await firefox?.close();
  await chromium?.close();
  await lab?.close();
});

/** A page of somebody who says nothing, so that what is heard is the sound of the screen. */
async function page(
  who: keyof typeof people,
  options: Parameters<typeof chromiumPage>[1] = { viewport: { width: 900, height: 640 } },
): Promise<Page> {
  const page = await chromiumPage(chromium, options);
  await page.addInitScript(devicesOf(people[who], false));
  return page;
}

const says = (page: FirefoxPage, text: string) =>
  evaluate<boolean>(page, `document.body.innerText.includes(${JSON.stringify(text)})`);
const press = (page: Page, name: string) =>
  controls(page).getByRole('button', { name, exact: true }).click();
const tile = (page: Page, name: string) => page.getByRole('group', { name, exact: true });

async function seesMoving(page: Page | FirefoxPage, who: string): Promise<void> {
  await until(`${who} moves`, async () => {
    const { change, spread } = await pictureOf(page, who);
    return change > 0.3 && spread > 20;
  });
}

/** Widths of the pictures that a page receives and decodes now. */
const widths = (page: Page | FirefoxPage) =>
  evaluate<number[]>(
    page,
    `(async () => {
      const found = [];
      for (const peer of window.__peers)
        for (const report of (await peer.getStats()).values())
          if (report.type === 'inbound-rtp' && report.kind === 'video' && report.framesDecoded > 0) found.push(report.frameWidth);
      return found;
    })()`,
  );

/** How many streams of sound are not silent for half a second. */
const voices = (page: Page) =>
  page.evaluate<number>(`(async () => {
    const energies = async () => {
      const found = new Map();
      for (const peer of window.__peers)
        for (const report of (await peer.getStats()).values())
          if (report.type === 'inbound-rtp' && report.kind === 'audio') found.set(report.id, report.totalAudioEnergy ?? 0);
      return found;
    };
    const before = await energies();
    await new Promise((done) => setTimeout(done, 500));
    return [...(await energies())].filter(([id, energy]) => energy > (before.get(id) ?? energy) + 1e-5).length;
  })()`);

const sharedTrack = `window.__peers.flatMap((peer) => peer.getSenders()).find(({ track }) => track?.contentHint === 'detail')`;

describe('a guest’s screen', () => {
  test('is seen large by the host and by Firefox, with its sound, and not by whoever shares it', async () => {
    await until('Boris is heard', async () => (await voices(host)) === 1);
    await press(ada, 'Share screen');
    await ada.getByRole('status').filter({ hasText: 'You are sharing your screen' }).waitFor();
    for (const page of [host, boris]) await seesMoving(page, 'Ada’s screen');
    await seesMoving(host, 'Ada');
    await until('the sound of it is heard, too', async () => (await voices(host)) === 2);
    // The cameras are 640 pixels wide.
    for (const page of [host, boris])
      await until('one picture more', async () => (await widths(page)).some((wide) => wide > 700));
    expect(await tile(ada, 'Ada’s screen').count()).toBe(0);
    const sender = await ada.evaluate<{ degradationPreference: string }>(
      `(() => ({ degradationPreference: ${sharedTrack}.getParameters().degradationPreference }))()`,
    );
    expect(sender.degradationPreference).toBe('maintain-resolution');
    const [screen, camera] = await Promise.all(
      ['Ada’s screen', 'Ada'].map((name) => tile(host, name).boundingBox()),
    );
    expect(screen!.width * screen!.height).toBeGreaterThan(4 * camera!.width * camera!.height);
    for (const page of [host, ada]) expect(await seriousOn(page, 'everything')).toEqual([]);
  });

  test('ends with a press, by the browser’s own button, and comes again', async () => {
    await ada.getByRole('button', { name: 'Stop sharing' }).first().click();
    await tile(host, 'Ada’s screen').waitFor({ state: 'detached' });
    await host.getByRole('status').filter({ hasText: 'Ada stopped sharing' }).waitFor();
    await until('Boris’ page knows', async () => !(await says(boris, 'Ada’s screen')));
    await press(ada, 'Share screen');
    await seesMoving(host, 'Ada’s screen');
    await ada.evaluate(`(() => {
      const { track } = ${sharedTrack};
      track.stop();
      track.dispatchEvent(new Event('ended'));
    })()`);
    await controls(ada).getByRole('button', { name: 'Share screen' }).waitFor();
    await tile(host, 'Ada’s screen').waitFor({ state: 'detached' });
  });

  test('ends with a reload of the page that shares it', async () => {
    await press(ada, 'Share screen');
    await tile(host, 'Ada’s screen').waitFor();
    await ada.reload();
    await tile(host, 'Ada’s screen').waitFor({ state: 'detached' });
    await controls(ada).getByRole('button', { name: 'Share screen' }).waitFor();
  });

  test('is not shared when that is forbidden, or there is none: a sentence says so', async () => {
    await ada.evaluate(() => {
      navigator.mediaDevices.getDisplayMedia = async () => {
        throw new DOMException('no', 'NotAllowedError');
      };
    });
    await press(ada, 'Share screen');
    await ada.getByText('Your screen is not shared: you cancelled it').waitFor();
    await ada.evaluate('delete navigator.mediaDevices.getDisplayMedia');
    await pressFirefox(boris, 'Share screen'); // which has no display
    await until('Boris reads why', () => says(boris, 'there is nothing here that could be'));
  });
});

describe('the host’s screen', () => {
  test('is seen by the guests, and gives way to another after a question', async () => {
    await press(host, 'Share screen');
    await host.getByRole('status').filter({ hasText: 'You are sharing your screen' }).waitFor();
    for (const page of [ada, boris]) await seesMoving(page, 'Sam’s screen');

    await press(ada, 'Share screen');
    const question = ada.getByRole('alertdialog', { name: 'Sam is sharing already' });
    await question.getByRole('button', { name: 'Cancel' }).click();
    await question.waitFor({ state: 'detached' });
    await tile(ada, 'Sam’s screen').waitFor();
    await press(ada, 'Share screen');
    await question.getByRole('button', { name: 'Share mine instead' }).click();
    await seesMoving(host, 'Ada’s screen');
    await host.getByText('Ada is sharing now').waitFor();
    await controls(host).getByRole('button', { name: 'Share screen' }).waitFor();
    await seesMoving(boris, 'Ada’s screen');
  });

  test('can be shared again when the guest who shared has left', async () => {
    await ada.getByRole('button', { name: 'Leave', exact: true }).click();
    await tile(host, 'Ada’s screen').waitFor({ state: 'detached' });
    await press(host, 'Share screen');
    await seesMoving(boris, 'Sam’s screen');
  });

  test('is there for whoever comes later, also where none can be shared', async () => {
    const phone = await page('sister', {
      viewport: { width: 390, height: 844 },
      hasTouch: true,
      isMobile: true,
    });
    await phone.addInitScript('delete MediaDevices.prototype.getDisplayMedia');
    await knock(phone, address, 'Cleo');
    await letIn(host, 'Cleo');
    await seesMoving(phone, 'Sam’s screen');
    expect(await controls(phone).getByRole('button', { name: 'Share screen' }).count()).toBe(0);
    const screen = await tile(phone, 'Sam’s screen').boundingBox();
    expect(screen!.width).toBeGreaterThan(370);
    expect(await seriousOn(phone, 'everything')).toEqual([]);
  });
});
