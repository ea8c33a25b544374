// Foreign hands in the pages: a translation that does what Google's in Chrome does. Each text node goes and a <font> with the
// translation stands in its place; what comes later is found by watching for new nodes, not for new text in old ones.
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chromiumPage } from './lab/browsers.js';
import { controls } from './lab/guest.js';
import { type AppWindow, createLink, letIn, openAppWindow } from './lab/host.js';
import { until } from './lab/processes.js';

let home: AppWindow;
let host: Page;
let guest: Page;
let address: string;
const errors: string[] = [];

/** Runs in a page: «translates» it from now on, until window.original() takes all of it back. */
function translate(): void {
  const done = new Map<HTMLElement, Text>();
  const own = (node: Node) =>
    (node instanceof Element ? node : node.parentElement)?.closest(
      '[translate=no], font, script, style, textarea',
    );
  let turn = 0;
  const replace = (text: Text) => {
    if (!/\p{L}/u.test(text.data) || own(text)) return;
    const font = document.createElement('font');
    const inner = document.createElement('font');
    inner.style.verticalAlign = font.style.verticalAlign = 'inherit';
    inner.textContent = text.data.replace(/\S.*\S|\S/su, '«$&»');
    font.append(inner);
    done.set(font, text);
    // In one step, in two, and in two the other way around.
    const { parentNode, nextSibling } = text;
    const way = turn++ % 3;
    if (way === 0) text.replaceWith(font);
    else if (way === 1) {
      text.before(font);
      text.remove();
    } else {
      text.remove();
      parentNode!.insertBefore(font, nextSibling);
    }
  };
  const all = (root: Node) => {
    if (root instanceof Text) return replace(root);
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    const texts: Text[] = [];
    while (walker.nextNode()) texts.push(walker.currentNode as Text);
    texts.forEach(replace);
  };
  const observer = new MutationObserver((records) => {
    for (const { addedNodes } of records)
      for (const node of addedNodes) if (node.isConnected && !own(node)) all(node);
  });
  document.documentElement.classList.add('translated-ltr');
  all(document.body);
  observer.observe(document.body, { childList: true, subtree: true });
  Object.assign(window, {
    original: () => {
      observer.disconnect();
      for (const [font, text] of done) font.replaceWith(text);
      document.documentElement.classList.remove('translated-ltr');
    },
  });
}

const wordsOf = (page: Page) => page.evaluate<string>('document.body.innerText');

/** Waits until a page shows these words, and none of those. */
const shows = (page: Page, words: RegExp[], none: RegExp[] = []) =>
  until(`the page shows ${words.join(', ')} and not ${none.join(', ') || 'nothing'}`, async () => {
    const shown = await wordsOf(page);
    return words.every((one) => one.test(shown)) && !none.some((one) => one.test(shown));
  }).catch(async (error) => {
    throw new Error(`${error}\nIt shows: ${await wordsOf(page)}`);
  });

const settled = (page: Page) =>
  page.evaluate('new Promise((later) => requestAnimationFrame(() => setTimeout(later)))');

beforeAll(async () => {
  home = await openAppWindow();
  ({ host } = home);
  guest = await chromiumPage(home.chromium);
  for (const page of [host, guest])
    page.on('pageerror', ({ stack = '' }) => {
      if (!stack.includes('/wails/ipc.js')) errors.push(stack); // that is Wails' own, in its dev server
    });
  await host.reload(); // so that its errors from the beginning are seen, too
  await host.getByRole('button', { name: 'Create Link' }).waitFor();
  await host.evaluate("window.go.main.App.SetName('Sam')");
  address = await createLink(home.lab, host, 'Tea and Cake');
});

afterAll(() => home?.close());

test('the door and the wait go on changing under a translation', async () => {
  await host.evaluate(translate);
  await guest.goto(address);
  await shows(guest, [/Sam invites you/]);
  await guest.evaluate(translate);
  await shows(guest, [/«Your name»/, /^Tea and Cake$/m, /^Porch$/m, /Sam «invites you»/]);

  // A field that is wrong says so, and then no more.
  await guest.getByRole('button', { name: 'Join' }).click();
  await shows(guest, [/«Type a name of/], [/see it/]);
  await guest.getByRole('textbox', { name: 'Your name' }).fill('Ann');
  await shows(guest, [/«The people in the call see it/], [/Type a name/]);

  await guest.getByRole('button', { name: 'Join' }).click();
  await shows(guest, [/«Waiting to be let in»/, /«Bell rung on»/], [/Your name/, /Opening/]);
  await shows(guest, [/[3-9] s ago/]); // it goes on counting
  await shows(host, [/^Ann$/m, /«First time»/]);
  await host.getByRole('button', { name: 'More answers for Ann' }).click();
  await host.getByRole('menuitem', { name: /^\W*Ask to wait\W*$/ }).click();
  await shows(guest, [/Sam «asked you to wait»/], [/Bell rung/]);
  await shows(host, [/«.*asked to wait/i], [/Ask to wait/]);
});

test('the call does, and what people wrote is left alone', async () => {
  await letIn(host, 'Ann');
  for (const page of [host, guest]) await controls(page).waitFor();
  await shows(guest, [], [/Waiting/, /asked you/, /Leave/]);
  await shows(host, [], [/First time/]);

  await controls(guest).getByRole('button', { name: 'Chat' }).click();
  await shows(guest, [/«Chat»/, /«.*»/]);
  const empty = (await guest.getByRole('log').textContent())!;
  expect(empty).toContain('«');
  await guest.getByRole('textbox', { name: 'Message' }).fill('Tea at four');
  await guest.keyboard.press('Enter');
  await shows(guest, [/^Tea at four$/m, /«You»/]);
  expect(await guest.getByRole('log').textContent()).not.toContain(empty);
  await controls(host).getByRole('button', { name: 'Chat' }).click();
  await shows(host, [/^Ann$/m, /^Tea at four$/m]);
  await guest.getByRole('button', { name: 'Close' }).first().click();
  await shows(guest, [], [/Tea at four/, /«Chat»/, /«You»/]);

  // Names on tiles, beside a word that is translated.
  await shows(guest, [/Ann/, /^Sam$/m], [/«Sam/]);
  await guest.evaluate('original()');
  await shows(guest, [/Sam/], [/«/]);
});

test('what has left the page is not kept for its translation', async () => {
  // Each evaluation is a task of its own, so that the page has seen what the one before did.
  await guest.evaluate(() => {
    const box = document.createElement('p');
    box.append('Rain');
    document.body.append(box);
  });
  await guest.evaluate(() => {
    const box = document.body.lastElementChild!;
    box.firstChild!.replaceWith(document.createElement('font'));
  });
  await guest.evaluate(() => {
    const box = document.body.lastElementChild!;
    Object.assign(window, { gone: new WeakRef(box), texts: box.childNodes.length });
    box.remove();
  });
  expect(await guest.evaluate('texts')).toBe(2); // the stand-in, and beside it the node of the page
  await settled(guest);
  const session = await guest.context().newCDPSession(guest);
  await until('the page lets go of it', async () => {
    await session.send('HeapProfiler.collectGarbage');
    return guest.evaluate<boolean>('!gone.deref()');
  });
});

test('what was translated comes back, and goes on changing', async () => {
  await guest.evaluate(translate);
  await guest.getByRole('button', { name: 'Leave' }).click();
  await shows(guest, [/«You left/, /«Ask to join again»/], [/Reconnecting/]);
  await guest.evaluate('original()');
  await shows(guest, [/You left/], [/«/]);
  await guest.getByRole('button', { name: 'Ask to join again' }).click();
  await shows(guest, [/Waiting to be let in/, /Bell rung on Sam/], [/You left/]);
  await guest.evaluate(translate);
  await shows(host, [/«Let in»/]);
  await host.getByRole('button', { name: 'Decline Ann' }).click();
  await shows(guest, [/«You weren’t let in»/], [/Waiting/, /Bell rung/]);
  await settled(host);
  expect(errors).toEqual([]);
});
