// Recording on the host's computer, on the real app: who is asked and told, in Chromium, Firefox and on a phone, and what is
// in the file then.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
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
  pressFirefox,
} from './lab/browsers.js';
import { controls, knock } from './lab/guest.js';
import { createLink, hostPage, letIn } from './lab/host.js';
import { Lab } from './lab/lab.js';
import { until } from './lab/processes.js';
import { flashing, stepsOf, tracksOf } from './lab/recording.js';
import { devicesOf, people } from './people.js';

let lab: Lab;
let chromium: Browser;
let firefox: FirefoxBrowser;
let host: Page;
let ada: Page;
let cleo: Page;
let boris: FirefoxPage;
let address: string;
let folder: string;

beforeAll(async () => {
  lab = await Lab.open();
  const app = await lab.startApp({ dev: true });
  folder = join(app.data, 'recordings');
  [chromium, firefox] = await Promise.all([
    openChromium({ args: ['--disable-gpu'] }),
    openFirefox(),
  ]);
  host = await hostPage(chromium);
  await host.goto(app.url);
  await host.evaluate("window.go.main.App.SetName('Sam')");
  address = await createLink(lab, host);
  ada = await chromiumPage(chromium, { viewport: { width: 900, height: 640 } });
  await ada.addInitScript(flashing);
  await knock(ada, address, 'Ada');
  await letIn(host, 'Ada');
  await controls(ada).waitFor();
  boris = await firefoxPage(firefox);
  await boris.goto(address);
  await boris.locator('aria/Your name[role="textbox"]').fill('Boris');
  await pressFirefox(boris, 'Join');
  await letIn(host, 'Boris');
  await until('Boris is in', () => saysFirefox('Ada'));
});

afterAll(async () => {
  await firefox?.close();
  await chromium?.close();
  await lab?.close();
});

const saysFirefox = (text: string) =>
  evaluate<boolean>(boris, `document.body.innerText.includes(${JSON.stringify(text)})`);
const mark = (page: Page) => page.getByRole('status').filter({ hasText: /^Recording/ });
const record = (page: Page) => controls(page).getByRole('button', { name: 'Record', exact: true });
const without = (page: Page) => page.getByRole('list', { name: 'Not recorded' });
const files = () =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.mkv'))
    .map((name) => join(folder, name));

describe('a recording', () => {
  test('begins when the host says so, and all see that', async () => {
    expect(await controls(ada).getByRole('button', { name: 'Record' }).count()).toBe(0); // of the host alone
    await record(host).focus();
    await host.keyboard.press('Enter');
    const question = host.getByRole('alertdialog', { name: 'Record this call?' });
    expect(await seriousOn(host, 'everything')).toEqual([]);
    await question.getByRole('button', { name: 'Record', exact: true }).click();
    await mark(host).waitFor();
    await mark(ada).filter({ hasText: 'Sam is recording this call.' }).waitFor();
    await until('Boris sees the mark', () => saysFirefox('Sam is recording this call.'));
    await without(host)
      .filter({ hasText: 'Ada has not answered' })
      .filter({ hasText: 'Boris has not answered' })
      .waitFor();
    expect(await host.getByRole('timer').textContent()).toMatch(/^\d+:\d\d$/);
    for (const page of [host, ada]) expect(await seriousOn(page, 'everything')).toEqual([]);
    expect(files()).toHaveLength(1);
    expect(statSync(files()[0]!).mode & 0o777).toBe(0o600);
  });

  test('takes those who agree, by the keyboard as well, and not the others', async () => {
    const agree = ada.getByRole('button', { name: 'Agree', exact: true });
    await agree.focus();
    await ada.keyboard.press('Enter');
    await mark(ada).filter({ hasText: 'You are recorded' }).waitFor();
    await pressFirefox(boris, 'Don’t agree');
    await until('Boris is told', () => saysFirefox('You are not recorded'));
    await without(host).filter({ hasText: 'Boris does not agree' }).waitFor();
    await without(host).filter({ hasNotText: 'Ada' }).waitFor();
  });

  test('is told and asked of who comes later, on a phone, in the dark and from right to left', async () => {
    cleo = await chromiumPage(chromium, {
      viewport: { width: 390, height: 780 },
      colorScheme: 'dark',
      hasTouch: true,
      locale: 'ar',
    });
    await cleo.addInitScript(devicesOf(people.sister, false));
    await cleo.goto(address);
    await cleo.getByRole('textbox').first().fill('Cleo');
    await cleo.keyboard.press('Enter');
    await letIn(host, 'Cleo');
    const question = cleo.getByRole('status').filter({ hasText: 'يجري التسجيل' });
    await question.waitFor();
    await cleo.getByRole('button', { name: 'أوافق', exact: true }).waitFor();
    const box = (await question.boundingBox())!;
    expect(box.x).toBeGreaterThanOrEqual(0);
    expect(box.x + box.width).toBeLessThanOrEqual(390);
    expect(await cleo.evaluate<number>('document.documentElement.scrollWidth')).toBeLessThanOrEqual(
      390,
    );
    expect(await seriousOn(cleo, 'everything')).toEqual([]);
    await cleo.screenshot({ path: '../build/screenshots/recording-390-dark-ar.png' });
    await host.screenshot({ path: '../build/screenshots/recording-host.png' });
    await without(host).filter({ hasText: 'Cleo has not answered' }).waitFor();
  });

  test('goes on when a page is loaded anew, with the mark', async () => {
    await ada.reload();
    await controls(ada).waitFor();
    await mark(ada).filter({ hasText: 'You are recorded' }).waitFor();
  });

  test('ends when the host says so, and the file has who has agreed, in step', async () => {
    const written = () => statSync(files()[0]!).size;
    await until('the recording is some seconds long', async () => {
      const [minutes, seconds] = (await host.getByRole('timer').textContent())!
        .split(':')
        .map(Number);
      return minutes! * 60 + seconds! >= 25;
    });
    expect(written()).toBeGreaterThan(200_000);
    await host.getByRole('button', { name: 'Stop recording', exact: true }).first().click();
    await host.getByRole('status').filter({ hasText: 'The recording is saved' }).waitFor();
    await ada.getByRole('status').filter({ hasText: 'The recording has ended' }).waitFor();
    for (const page of [host, ada]) expect(await mark(page).count()).toBe(0);
    await until('Boris sees no mark', async () => !(await saysFirefox('You are not recorded')));
    expect(await seriousOn(host, 'everything')).toEqual([]);

    const { tracks, duration } = tracksOf(files()[0]!);
    expect(tracks.map(({ codec, title }) => `${title} ${codec}`).sort()).toEqual([
      'Ada opus',
      'Ada vp8',
      'Sam opus',
      'Sam vp8',
    ]);
    const of = (title: string, codec: string) =>
      tracks.find((track) => track.title === title && track.codec === codec)!;
    expect(of('Ada', 'vp8')).toMatchObject({ width: 640, height: 360 });
    for (const name of ['Ada', 'Sam']) {
      const [sound, picture] = [of(name, 'opus'), of(name, 'vp8')];
      expect(Math.abs(sound.last - picture.last)).toBeLessThan(0.3);
      expect(duration - sound.last).toBeLessThan(0.3);
      expect(picture.blocks).toBeGreaterThan(50);
    }
    expect(of('Sam', 'opus').first).toBeLessThan(1);
    const steps = stepsOf(files()[0]!, of('Ada', 'opus').index, of('Ada', 'vp8').index).sort(
      (a, b) => a - b,
    );
    expect(steps.length).toBeGreaterThan(4);
    expect(Math.abs(steps[steps.length >> 1]!)).toBeLessThan(0.1);
    await host.getByRole('button', { name: 'OK', exact: true }).click();
    await host
      .getByRole('status')
      .filter({ hasText: 'The recording is saved' })
      .waitFor({ state: 'detached' });
  });

  test('ends when the host leaves, and another one asks anew', async () => {
    await record(host).click();
    await host
      .getByRole('alertdialog')
      .getByRole('button', { name: 'Record', exact: true })
      .click();
    await mark(ada).filter({ hasText: 'Sam is recording this call.' }).waitFor();
    await host.getByRole('timer').waitFor();
    await controls(host).getByRole('button', { name: 'Leave' }).click();
    await host.getByRole('menuitem', { name: 'Leave call' }).click();
    await host.getByRole('status').filter({ hasText: 'The recording is saved' }).waitFor();
    await mark(ada).waitFor({ state: 'detached' });
    expect(files()).toHaveLength(2);
    expect(tracksOf(files().sort()[1]!).tracks.filter(({ title }) => title !== 'Sam')).toEqual([]);
  });
});
