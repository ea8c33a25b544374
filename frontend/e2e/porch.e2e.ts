// Back to the porch, co-hosts, and seats that move: the host in the window, guests in Chromium and in Firefox.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import type { Browser as FirefoxBrowser, Page as FirefoxPage } from 'puppeteer-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  chromiumPage,
  evaluate,
  firefoxPage,
  openFirefox,
  pictureOf,
  pressFirefox,
} from './lab/browsers.js';
import { askToJoin, chat, controls } from './lab/guest.js';
import { type AppWindow, createLink, letIn, openAppWindow } from './lab/host.js';
import { until } from './lab/processes.js';

let home: AppWindow;
let firefox: FirefoxBrowser;
let host: Page;
let address: string;
let ada: Page;
let bob: Page;
let boris: FirefoxPage;
let zoe: Page;
let messageLink: string;

beforeAll(async () => {
  home = await openAppWindow();
  firefox = await openFirefox();
  ({ host } = home);
  messageLink = await createLink(home.lab, host, 'Piano');
  zoe = await chromiumPage(home.chromium, { viewport: { width: 700, height: 900 } });
  await askToJoin(zoe, messageLink, 'Zoe'); // and waits for a minute while the other stories run
  address = await createLink(home.lab, host, 'Choir');
  [ada, bob] = [await joins('Ada'), await joins('Bob')];
});

afterAll(async () => {
  await firefox?.close();
  await home?.close();
});

async function asks(name: string): Promise<Page> {
  const page = await chromiumPage(home.chromium, { viewport: { width: 700, height: 560 } });
  page.setDefaultTimeout(25_000);
  await askToJoin(page, address, name);
  return page;
}

async function joins(name: string): Promise<Page> {
  const page = await asks(name);
  await letIn(host, name);
  await controls(page).waitFor();
  return page;
}

const people = (page: Page) => page.getByRole('complementary', { name: 'People' });

async function about(page: Page, name: string, item: string): Promise<void> {
  if (!(await people(page).isVisible()))
    await controls(page).getByRole('button', { name: 'People' }).click();
  await people(page)
    .getByRole('button', { name: `More about ${name}` })
    .click();
  await page.getByRole('menuitem', { name: item, exact: true }).click();
}

/** Peer connections of a page that are not closed. */
const connections = (page: Page) =>
  evaluate<number>(
    page,
    "(window.__peers || []).filter((peer) => peer.connectionState !== 'closed').length",
  );

test('a link’s preview is the same for every link, and whoever fetches it changes nothing', async () => {
  const page = new URL(address);
  page.hash = '';
  const unknown = new URL(page.href.replace(/.{22}$/, 'AAAAAAAAAAAAAAAAAAAAAA'));
  const bodies = new Set<string>();
  for (const bot of [
    'facebookexternalhit/1.1',
    'WhatsApp/2.23',
    'Twitterbot/1.0',
    'Slackbot 1.0',
  ]) {
    for (const method of ['HEAD', 'GET']) {
      for (const url of [page, unknown]) {
        const answer = await fetch(url, { method, headers: { 'User-Agent': bot } });
        expect([answer.status, answer.headers.get('set-cookie')]).toEqual([200, null]);
        if (method === 'GET') bodies.add(await answer.text());
      }
    }
  }
  expect(bodies.size).toBe(1);
  const [body] = bodies;
  expect(body).toContain('property="og:title" content="You are invited to a call"');
  expect(body).not.toMatch(/Choir|Ada|Bob/);
  expect(body).not.toContain(page.pathname.slice(3));
  await controls(ada).waitFor(); // and nobody has knocked or is out
  expect(await host.getByRole('button', { name: /^Let in (?!Zoe)/ }).count()).toBe(0);
});

test('a guest waits outside, hears, sees and reads nothing, and is let in again without a bell', async () => {
  await until('Ada sees Bob', async () => (await pictureOf(ada, 'Bob')).change > 0);
  await about(host, 'Ada', 'Let Ada wait outside');
  await ada.getByText('asked you to wait outside').first().waitFor();
  await ada.getByText('Nobody in the call hears or sees you now').waitFor();
  expect(await connections(ada)).toBe(0);
  await host.getByRole('group', { name: 'Ada', exact: true }).waitFor({ state: 'detached' });
  const card = host.getByRole('article', { name: 'Ada' });
  await card.getByText('was in the call; waits outside').waitFor();
  await chat(bob, 'between us');
  await bob.getByRole('log').getByText('between us').waitFor();
  await controls(bob).getByRole('button', { name: 'Chat' }).click();

  // A reload changes nothing: no bell, and the same place.
  await ada.reload();
  await ada.getByText('asked you to wait').first().waitFor();
  expect(await connections(ada)).toBe(0);
  expect(await ada.getByText('Bell rung').count()).toBe(0);

  await letIn(host, 'Ada');
  await controls(ada).waitFor();
  await until('Ada sees Bob again', async () => (await pictureOf(ada, 'Bob')).change > 0);
  await controls(ada).getByRole('button', { name: 'Chat' }).click();
  expect(await ada.getByText('between us').count()).toBe(0);
});

test('a co-host lets in, mutes and removes, and the host sees each of it', async () => {
  await about(host, 'Ada', 'Make Ada co-host');
  await ada.getByText('You are a co-host now').waitFor();
  const cleo = await asks('Cleo');
  await ada.getByText('Cleo asks to join').waitFor();
  await controls(ada)
    .getByRole('button', { name: /^People/ })
    .click();
  await people(ada).getByRole('button', { name: 'Let in Cleo' }).click();
  await controls(cleo).waitFor();
  await host
    .getByText(/Ada\W* let \W*Cleo\W* in/)
    .first()
    .waitFor();
  await about(ada, 'Bob', 'Mute Bob');
  await controls(bob).getByRole('button', { name: 'Unmute', exact: true }).waitFor();
  await host
    .getByText(/Ada\W* muted \W*Bob/)
    .first()
    .waitFor();
  // What only the host may do is not offered, nor anything about the host.
  await people(ada).getByRole('button', { name: 'More about Bob' }).click();
  expect((await ada.getByRole('menuitem').allTextContents()).map((text) => text.trim())).toEqual([
    'Remove Bob',
  ]);
  await ada.keyboard.press('Escape');
  expect(
    await people(ada)
      .getByRole('button', { name: /^More about/ })
      .count(),
  ).toBe(2);
  await about(ada, 'Cleo', 'Remove Cleo');
  await cleo.getByText('You were taken out of the call').waitFor();
  await host
    .getByText(/Ada\W* removed \W*Cleo/)
    .first()
    .waitFor();

  await cleo.getByRole('button', { name: 'Ask to join again' }).click();
  await people(ada).getByRole('button', { name: 'Decline Cleo' }).waitFor();
  await about(host, 'Ada', 'Take co-host from Ada');
  await people(ada).getByRole('button', { name: 'Decline Cleo' }).waitFor({ state: 'detached' });
  expect(
    await people(ada)
      .getByRole('button', { name: /^More about/ })
      .count(),
  ).toBe(0);
  await cleo.context().close();
});

test('a seat moves to another device by a code, without a knock', async () => {
  await bob.getByRole('button', { name: 'Move to another device' }).click();
  await bob.getByRole('img', { name: 'Code for the other device' }).waitFor();
  const picture = join(home.lab.dir, 'move.png');
  const code = await until('the code can be read', async () => {
    writeFileSync(picture, await bob.screenshot());
    return (await home.lab.run('zbarimg', '--quiet', '--raw', picture).catch(() => '')).trim();
  });
  expect(code.startsWith(`${address}~`)).toBe(true);

  boris = await firefoxPage(firefox);
  await boris.goto(code);
  await until('Firefox is in the call', () =>
    evaluate<boolean>(boris, "document.querySelector('[role=toolbar]') !== null"),
  );
  await bob.getByText('You’re on another device now').waitFor();
  expect(await connections(bob)).toBe(0);
  await host
    .getByText(/Bob\W* moved to another device/)
    .first()
    .waitFor();
  await host.getByRole('group', { name: 'Bob', exact: true }).waitFor();
  expect(await host.getByRole('button', { name: /^Let in (?!Zoe)/ }).count()).toBeLessThan(2); // Cleo
  expect(await evaluate<string>(boris, 'location.href')).toBe(address);
  // Muted there, so muted here.
  await until('Bob is still muted', () =>
    evaluate<boolean>(boris, "document.querySelector('[aria-label=Unmute]') !== null"),
  );

  // The code is used up: whoever has seen it is at the door like everybody.
  const thief = await chromiumPage(home.chromium);
  await thief.goto(code);
  await thief.getByRole('button', { name: 'Join', exact: true }).waitFor();
  await thief.context().close();
});

test('in Firefox a copied tab takes the seat and gives it back, a reload keeps it, closing leaves within 15 s', async () => {
  const inCall = (page: FirefoxPage) =>
    until('the page is in the call', () =>
      evaluate<boolean>(page, "document.querySelector('[role=toolbar]') !== null"),
    );
  const says = (page: FirefoxPage, text: string) =>
    until(`the page says ${text}`, () =>
      evaluate<boolean>(page, `document.body.innerText.includes(${JSON.stringify(text)})`),
    );
  const copy = await firefoxPage(firefox);
  const kept = await evaluate<string>(boris, 'JSON.stringify({ ...sessionStorage })');
  await copy.goto(new URL('/healthz', address).href);
  await evaluate(copy, `Object.assign(sessionStorage, JSON.parse(${JSON.stringify(kept)}))`);
  await copy.goto(address);
  await inCall(copy);
  await says(boris, 'You’re here in another tab');
  await copy.close();
  await inCall(boris);
  await boris.reload();
  await inCall(boris);
  await pressFirefox(boris, 'People');
  const since = Date.now();
  await boris.close();
  await host
    .getByRole('group', { name: 'Bob', exact: true })
    .waitFor({ state: 'detached', timeout: 20_000 });
  expect(Date.now() - since).toBeLessThan(15_000);
});

test('a guest whom nobody answers leaves a message, which the host plays, keeps and deletes', async () => {
  await zoe.getByRole('button', { name: 'Leave a message' }).click();
  await zoe.getByRole('button', { name: 'Record sound' }).click();
  await zoe.getByText('2 / 60').waitFor();
  await zoe.getByRole('button', { name: 'Stop recording' }).click();
  await zoe.getByRole('button', { name: 'Send message' }).click();
  await zoe.getByText('Your message is there').waitFor();

  await host.getByText('has left a message').first().waitFor();
  await controls(host).getByRole('button', { name: 'Leave' }).click();
  await host.getByRole('menuitem', { name: 'Leave call' }).click();
  await host
    .getByRole('list', { name: 'Links' })
    .getByRole('listitem')
    .filter({ hasText: 'Piano' })
    .getByRole('button', { name: 'Info' })
    .click();
  const list = host.getByRole('dialog', { name: 'Link details' }).getByRole('list', {
    name: 'Door messages',
  });
  await list.getByText('Zoe').waitFor();
  await list.getByRole('button', { name: 'Play' }).click();
  await until('the sound plays', () =>
    evaluate<boolean>(
      host,
      "(document.querySelector('dialog audio, audio')?.currentTime ?? 0) > 0",
    ),
  );
  await list.getByRole('button', { name: 'Keep' }).click();
  await list.getByText('kept').waitFor();
  await list.getByRole('button', { name: 'Delete' }).click();
  await list.waitFor({ state: 'detached' });
});
