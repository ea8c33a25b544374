// How a knock is heard: the bell that goes on until the host has looked, and what both sides are told of it, with the real
// app, real browsers and a notification daemon.
import type { Browser, Page } from 'playwright-core';
import type { Browser as FirefoxBrowser, Page as FirefoxPage } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumPage, evaluate, firefoxPage, openFirefox, pressFirefox } from './lab/browsers.js';
import { knock } from './lab/guest.js';
import { type AppWindow, createLink, openAppWindow } from './lab/host.js';
import type { Lab } from './lab/lab.js';
import { until } from './lab/processes.js';

let home: AppWindow;
let lab: Lab;
let chromium: Browser;
let firefox: FirefoxBrowser;
let host: Page;
let address: string;

/** Counts the strokes of the bell, and lets the test say whether the host is in the window. */
const watchBell = `(() => {
  window.__strokes = 0;
  const { start } = AudioBufferSourceNode.prototype;
  AudioBufferSourceNode.prototype.start = function (...args) {
    window.__strokes++;
    return start.apply(this, args);
  };
  window.__here = false;
  document.hasFocus = () => window.__here;
})();`;

beforeAll(async () => {
  home = await openAppWindow({ notifications: true });
  ({ lab, chromium, host } = home);
  // The app's own window shows the same cards: nobody sits before it.
  const [own] = (await lab.run('xdotool', 'search', '--name', '^Porch'))
    .trim()
    .split('\n')
    .slice(-1);
  await lab.run('xdotool', 'windowunmap', own!);
  await host.addInitScript(watchBell);
  await host.reload();
  firefox = await openFirefox();
  address = await createLink(lab, host, 'Tea');
});

afterAll(async () => {
  await firefox?.close();
  await home?.close();
});

const requests = () => host.getByRole('region', { name: 'Join requests' });
const card = (name: string) => requests().getByRole('article', { name });
const strokes = () => evaluate<number>(host, 'window.__strokes');
const says = (page: Page | FirefoxPage, text: string) =>
  until(`the guest reads “${text}”`, () =>
    evaluate<boolean>(page, `document.body.innerText.includes(${JSON.stringify(text)})`),
  );

/** The host comes to the window, or goes elsewhere. */
const here = (on: boolean) =>
  evaluate<void>(
    host,
    `window.__here = ${on}; dispatchEvent(new Event(window.__here ? 'focus' : 'blur'))`,
  );

/** Another program, or the daemon itself, closes what is shown. */
async function takeAway(): Promise<void> {
  const daemon = ['--session', '--dest=org.freedesktop.Notifications', '--print-reply'];
  const close = 'org.freedesktop.Notifications.CloseNotification';
  for (let id = 1; id <= 9; id++)
    await lab.run('dbus-send', ...daemon, '/org/freedesktop/Notifications', close, `uint32:${id}`);
}

async function answer(name: string, item: string): Promise<void> {
  await host.getByRole('button', { name: `More answers for ${name}` }).click();
  await host.getByRole('menuitem', { name: item, exact: true }).click();
}

describe('the bell', () => {
  let ada: Page;

  test('goes on while the host is elsewhere, and brings the notification back', async () => {
    ada = await chromiumPage(chromium, { viewport: { width: 640, height: 480 } });
    await knock(ada, address, 'Ada');
    await until('the notification is shown', async () => (await lab.notificationsShown()) === 1);
    expect(await strokes()).toBe(1);
    await takeAway();
    expect(await lab.notificationsShown()).toBe(0);
    await until('it comes back', async () => (await lab.notificationsShown()) === 1);
    expect(await strokes()).toBe(2);
    await says(ada, 'Bell rung 2 times, last ');
    await card('Ada').getByText('Bell rung 2 times').waitFor();
  });

  test('rings no more once the host has looked, and the guest is told so', async () => {
    await here(true);
    await says(ada, 'has seen it');
    await here(false);
    const note = lab.notifications().length;
    await answer('Ada', 'Ask to wait 5 minutes');
    await says(ada, 'asked you to wait 5 minutes');
    await card('Ada').getByText('asked to wait until').waitFor();
    expect(lab.notifications().length).toBe(note);
  });

  test('a guest in Firefox hears it, and that the notification was dismissed', async () => {
    const boris = await firefoxPage(firefox);
    await boris.goto(address);
    await until('the name can be typed', () =>
      evaluate<boolean>(boris, `document.querySelector('input[name=name]') !== null`),
    );
    await boris.type('input[name=name]', 'Boris');
    await pressFirefox(boris, 'Join');
    await until('the notification is shown', async () => (await lab.notificationsShown()) === 1);
    await says(boris, 'Bell rung on');
    await lab.run('dunstctl', 'close');
    await says(boris, 'has seen it');
    await host.getByRole('button', { name: 'Decline Boris' }).click();
    await boris.close();
  });
});
