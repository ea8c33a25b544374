// Words of all the world, and people of one name: what guests call themselves and write, as the host, the other guests
// and the desktop's notifications show it.
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chromiumPage } from './lab/browsers.js';
import { askToJoin, controls, knock } from './lab/guest.js';
import { type AppWindow, createLink, openAppWindow } from './lab/host.js';
import type { Lab } from './lab/lab.js';
import { until } from './lab/processes.js';

let home: AppWindow;
let lab: Lab;
let chromium: Browser;
let host: Page;
let anna: Page;
let address: string;

beforeAll(async () => {
  home = await openAppWindow({ notifications: true });
  ({ lab, chromium, host } = home);
  anna = await chromiumPage(chromium);
  address = await createLink(lab, host, 'Tea & <b>Cake</b>');
});

afterAll(() => home?.close());

const card = (name: string) =>
  host.getByRole('region', { name: 'Join requests' }).getByRole('article', { name, exact: true });

test('a name that shows nothing is none', async () => {
  for (const name of ['\u3164', '\u2800\u2800', '\u{e01f0}', '\ufff0\u115f']) {
    await askToJoin(anna, address, name);
    await anna.getByText('Type a name of 1 to 64 characters.').waitFor();
  }
});

test('two people of one name are told apart, at the door, in notifications and in the call', async () => {
  await knock(anna, address, 'Anna');
  const second = await chromiumPage(chromium);
  await knock(second, address, 'Anna');
  await host.getByRole('button', { name: 'Let in Anna', exact: true }).waitFor();
  await host.getByRole('button', { name: 'Let in Anna (2)', exact: true }).click();
  await controls(second).waitFor();
  await card('Anna').getByText('A name that is in the call already').waitFor();
  await host.getByRole('button', { name: 'Let in Anna', exact: true }).click();
  await second.getByRole('group', { name: 'Anna', exact: true }).waitFor();
  await anna.getByRole('group', { name: 'Anna (2)', exact: true }).waitFor();

  // A Cyrillic A.
  const third = await chromiumPage(chromium);
  await knock(third, address, '\u0410nna');
  await card('\u0410nna').getByText('Looks like Anna', { exact: true }).waitFor();
  const said = await until('the notification says it', async () =>
    lab.notifications().find((n) => n.summary === '\u0410nna'),
  );
  expect(said.body).toContain('Looks like \u2068Anna\u2069');
  expect(said.body).toContain('Tea &amp; &lt;b&gt;Cake&lt;/b&gt;');
  expect(lab.notifications().map((n) => n.summary)).toEqual(
    expect.arrayContaining(['Anna', 'Anna (2)']),
  );
  await host.getByRole('button', { name: 'Decline \u0410nna', exact: true }).click();
  await third.close();
  await second.close();
});

test('a flag is a whole initial, and a name from right to left keeps its sentence', async () => {
  const flag = await chromiumPage(chromium);
  await knock(flag, address, '🇨🇭');
  await card('🇨🇭').locator('.avatar').getByText('🇨🇭', { exact: true }).waitFor();
  await host.getByRole('button', { name: 'Decline 🇨🇭', exact: true }).click();
  await flag.close();

  const sara = await chromiumPage(chromium);
  await knock(sara, address, 'שרה');
  const heading = host.getByRole('heading', { name: 'שרה' });
  await heading.waitFor();
  expect(await heading.evaluate((node) => getComputedStyle(node).direction)).toBe('rtl');
  expect(await heading.textContent()).toBe('\u2068שרה\u2069');
  await host.getByRole('button', { name: 'Decline \u2068שרה\u2069' }).click();
  await sara.close();
});

test('Enter of an input method does not send, and what is written keeps its direction', async () => {
  await controls(anna).getByRole('button', { name: 'Chat' }).click();
  const field = anna.getByRole('textbox', { name: 'Message' });
  await field.focus();
  const keyboard = await anna.context().newCDPSession(anna);
  await keyboard.send('Input.imeSetComposition', {
    text: 'にほん',
    selectionStart: 3,
    selectionEnd: 3,
  });
  const enter = { key: 'Enter', code: 'Enter', windowsVirtualKeyCode: 229 };
  await keyboard.send('Input.dispatchKeyEvent', { type: 'rawKeyDown', ...enter });
  await keyboard.send('Input.dispatchKeyEvent', { type: 'keyUp', ...enter });
  await keyboard.send('Input.insertText', { text: '日本' });
  // Safari's: the composition is over already, and only the key code tells.
  await field.dispatchEvent('keydown', { key: 'Enter', keyCode: 229, bubbles: true });
  expect(await field.inputValue()).toContain('日本');
  expect(await anna.getByRole('log').getByText('日本').count()).toBe(0);
  await anna.keyboard.press('Enter');
  await anna.getByRole('log').getByText('日本').waitFor();

  await field.fill('שלום Anna');
  expect(await field.evaluate((node) => getComputedStyle(node).direction)).toBe('rtl');
  await anna.keyboard.press('Enter');
  const line = anna.getByRole('log').getByText('שלום Anna');
  await line.waitFor();
  expect(await line.evaluate((node) => getComputedStyle(node).direction)).toBe('rtl');
});

test('shortcuts are where they are on a keyboard with other letters', async () => {
  await anna.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
  const press = (key: string, code: string) =>
    anna.evaluate(
      ([key, code]) =>
        document.body.dispatchEvent(
          new KeyboardEvent('keydown', { key, code, bubbles: true, cancelable: true }),
        ),
      [key, code] as const,
    );
  await controls(anna).getByRole('button', { name: 'Mute', exact: true }).waitFor();
  await press('ь', 'KeyM');
  await controls(anna).getByRole('button', { name: 'Unmute', exact: true }).waitFor();
  await press('ة', 'KeyM');
  await controls(anna).getByRole('button', { name: 'Mute', exact: true }).waitFor();
});
