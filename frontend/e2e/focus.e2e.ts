// What a screen reader learns of a change of screens: the focus is where the new screen begins, and what is true of the wait
// stands in one live region that stays.
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chromiumPage, openChromium } from './lab/browsers.js';
import { createLink } from './lab/host.js';
import { type App, Lab } from './lab/lab.js';
import { until } from './lab/processes.js';

let lab: Lab;
let app: App;
let chromium: Browser;
let host: Page;
let guest: Page;
let address: string;

beforeAll(async () => {
  lab = await Lab.open();
  app = await lab.startApp({ dev: true });
  chromium = await openChromium();
  host = await chromiumPage(chromium, { viewport: { width: 1100, height: 760 } });
  guest = await chromiumPage(chromium);
  await host.goto(app.url);
  address = await createLink(lab, host, 'Tea and Cake');
});

afterAll(async () => {
  await chromium?.close();
  await lab?.close();
});

/** What has the focus, as a screen reader says it: role and name. */
const focused = async (page: Page) => {
  const said = page.locator(':focus').ariaSnapshot({ timeout: 1000 });
  return said.then((lines) => lines.split('\n')[0]!).catch(() => 'nothing');
};

const arrives = (page: Page, place: string) =>
  until(`the focus is on ${place}`, async () =>
    (await focused(page)).startsWith(`- ${place}`),
  ).catch(async (error) => {
    throw new Error(`${error}\nThe focus is on ${await focused(page)}`);
  });

const heading = (name: string) => `heading "${name}"`;

/** Waits until the one live region of the guest's page says so. */
const says = (words: string) =>
  until(`the region says ${words}`, async () => {
    const regions = guest.getByRole('status');
    return (await regions.count()) === 1 && (await regions.ariaSnapshot()).includes(words);
  });

const press = (page: Page, name: string) =>
  page.getByRole('button', { name, exact: true }).press('Enter');

const call = (page: Page) => page.getByRole('toolbar', { name: 'Call controls' });

test('from the door to the wait, and through it', async () => {
  await guest.goto(address);
  await guest.getByRole('heading', { name: 'Tea and Cake' }).waitFor();
  expect(await focused(guest)).toBe('nothing'); // a page that opens is read from its beginning
  await guest.getByRole('textbox', { name: 'Your name' }).fill('Ann');
  await guest.evaluate("window.region = document.querySelector('[role=status]:not([inert] *)')");
  await guest.keyboard.press('Enter');
  await arrives(guest, heading('Waiting to be let in'));
  await says('Bell rung on');
  expect(
    await guest.evaluate(
      "window.region === document.querySelector('[role=status]:not([inert] *)')",
    ),
  ).toBe(true);

  // What changes is said, and takes nobody from where they are.
  await guest.getByRole('button', { name: 'Leave' }).focus();
  await host.getByRole('button', { name: 'More answers for Ann' }).click();
  await host.getByRole('menuitem', { name: 'Ask to wait' }).click();
  await says('asked you to wait');
  expect(await focused(guest)).toBe('- button "Leave"');
  await guest.keyboard.press('Enter');
  await arrives(guest, heading('Tea and Cake'));
});

test('declined, asked again and let in', async () => {
  await press(guest, 'Join');
  await arrives(guest, heading('Waiting to be let in'));
  await press(host, 'Decline Ann');
  await arrives(guest, heading('You weren’t let in'));
  await says('You may ask one more time.');
  await press(guest, 'Ask to join again');
  await arrives(guest, heading('Waiting to be let in'));
  await press(host, 'Let in Ann');
  await arrives(guest, 'main "Tea and Cake"');
  await call(host).waitFor();
  await until('the host is somewhere', async () => (await focused(host)) !== 'nothing');
  expect(await guest.getByRole('status').count()).toBe(1);
});

test('who types goes on typing', async () => {
  await press(guest, 'Chat');
  await arrives(guest, 'textbox "Message"');
  await guest.keyboard.type('Half a wo');
  const second = await chromiumPage(chromium);
  await second.goto(address);
  await second.getByRole('textbox', { name: 'Your name' }).fill('Bea');
  await press(second, 'Join');
  await host.getByRole('button', { name: 'Let in Bea' }).click();
  await guest.getByRole('group', { name: 'Bea', exact: true }).waitFor();
  await guest.keyboard.type('rd');
  expect(await guest.getByRole('textbox', { name: 'Message' }).inputValue()).toBe('Half a word');
  await second.close();
});

test('out of the call, and out of the link', async () => {
  await call(host).getByRole('button', { name: 'People' }).click();
  await host.getByRole('button', { name: 'More about Ann' }).click();
  await host.getByRole('menuitem', { name: 'Remove Ann' }).click();
  await host.getByRole('alertdialog').getByRole('button', { name: 'Remove Ann' }).click();
  await arrives(guest, heading('You were taken out of the call'));
  await press(guest, 'Ask to join again');
  await arrives(guest, heading('Waiting to be let in'));
  await host.getByRole('button', { name: 'Let in Ann' }).click();
  await arrives(guest, 'main "Tea and Cake"');
  await press(guest, 'Leave');
  await arrives(guest, heading('You left the call'));
  await press(guest, 'Ask to join again');
  await arrives(guest, heading('Waiting to be let in'));

  // The host goes home, where there is a heading to arrive at, and removes the link.
  await press(host, 'Leave');
  await host.getByRole('menuitem', { name: 'Leave call' }).press('Enter');
  await arrives(host, heading('Links'));
  await host.getByRole('button', { name: 'Info' }).click();
  const details = host.getByRole('dialog', { name: 'Link details' });
  await details.getByRole('button', { name: 'Remove Link' }).click();
  await host.getByRole('alertdialog').getByRole('button', { name: 'Remove', exact: true }).click();
  await arrives(guest, heading('This link has been removed'));
  await until('the host is somewhere', async () => (await focused(host)) !== 'nothing');

  await guest.goto('about:blank');
  await guest.goto(address);
  await arrives(guest, heading('This link has been removed'));
});
