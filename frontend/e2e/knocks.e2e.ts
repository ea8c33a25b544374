// How a knock is heard: the bell that goes on until the host has looked, and what both sides are told of it, with the real
// app, real browsers and a notification daemon.
import type { Browser, Page } from 'playwright-core';
import type { Browser as FirefoxBrowser, Page as FirefoxPage } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { seriousOn } from './lab/axe.js';
import { chromiumPage, evaluate, firefoxPage, openFirefox, pressFirefox } from './lab/browsers.js';
import { controls, knock } from './lab/guest.js';
import { type AppWindow, createLink, letIn, openAppWindow } from './lab/host.js';
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
    await answer('Ada', 'Ask for 5 minutes');
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

describe('who it is', () => {
  let ada: Page;

  test('the host and a guest who waits have a word through the door', async () => {
    await answer('Ada', 'Block');
    ada = await chromiumPage(chromium, { viewport: { width: 390, height: 844 } });
    await knock(ada, address, 'Cleo');
    await card('Cleo').getByText('First time').waitFor();
    // A program drives this browser, and the page says so.
    await card('Cleo').getByText('This may be a note-taking bot: a program drives').waitFor();
    await card('Cleo').getByRole('button', { name: 'Write to Cleo' }).click();
    await card('Cleo').getByRole('textbox', { name: 'Message to Cleo' }).fill('Who is it?');
    await card('Cleo').getByRole('button', { name: 'Send' }).click();
    await ada
      .getByRole('log', { name: /^Messages from / })
      .getByText('Who is it?')
      .waitFor();
    await ada.getByRole('textbox', { name: 'Reply' }).fill('<b>Grandma’s</b> neighbour');
    await ada.getByRole('button', { name: 'Send' }).click();
    await card('Cleo').getByText('<b>Grandma’s</b> neighbour').waitFor();
    expect(await seriousOn(ada, 'everything')).toEqual([]);
    expect(await seriousOn(host, 'everything')).toEqual([]);
  });

  test('a browser that was let in is known again, and may always be let in', async () => {
    await letIn(host, 'Cleo');
    for (const page of [host, ada]) await controls(page).waitFor();
    await ada.reload(); // and the key outlives the page
    await controls(ada).waitFor();
    const leave = async () => {
      await controls(ada).getByRole('button', { name: 'Leave' }).click();
      await ada.getByRole('button', { name: 'Ask to join again' }).click();
    };
    await leave();
    await card('Cleo').getByText('Let in 1 time before').waitFor();
    await answer('Cleo', 'Always let in Cleo');
    await controls(ada).waitFor();
    await leave();
    await controls(ada).waitFor(); // nobody pressed anything
    await host.getByText('Cleo came in: always let in').waitFor();
  });

  test('another browser under the same name is shown as that', async () => {
    const thief = await chromiumPage(chromium);
    await knock(thief, address, 'Cleo');
    await requests().getByText('A name that is in the call already').waitFor();
    await requests().getByText('New browser using a name you know').waitFor();
    await thief.close();
  });
});
