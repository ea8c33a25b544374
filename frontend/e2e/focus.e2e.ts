// What a screen reader learns of a change of screens: the focus is where the new screen begins, and what is true of the wait
// stands in one live region that stays.
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chromiumPage } from './lab/browsers.js';
import { askToJoin, controls } from './lab/guest.js';
import { type AppWindow, createLink, letIn, openAppWindow, removeLink } from './lab/host.js';
import { until } from './lab/processes.js';

let home: AppWindow;
let host: Page;
let guest: Page;
let address: string;

beforeAll(async () => {
  home = await openAppWindow();
  ({ host } = home);
  guest = await chromiumPage(home.chromium);
  address = await createLink(home.lab, host, 'Tea and Cake');
});

afterAll(() => home?.close());

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
  await host.getByRole('menuitem', { name: 'Ask to wait', exact: true }).click();
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
  await controls(host).waitFor();
  await until('the host is somewhere', async () => (await focused(host)) !== 'nothing');
  // Those of the door are gone: the call has one for its notes, one for what is shown without words, and one that says when
  // it is recorded.
  expect(await guest.getByRole('status').count()).toBe(3);
});

test('who types goes on typing', async () => {
  await press(guest, 'Chat');
  await arrives(guest, 'textbox "Message"');
  await guest.keyboard.type('Half a wo');
  const second = await chromiumPage(home.chromium);
  await askToJoin(second, address, 'Bea');
  await letIn(host, 'Bea');
  await guest.getByRole('group', { name: 'Bea', exact: true }).waitFor();
  await guest.keyboard.type('rd');
  expect(await guest.getByRole('textbox', { name: 'Message' }).inputValue()).toBe('Half a word');
  await second.close();
});

test('out of the call, and out of the link', async () => {
  await controls(host).getByRole('button', { name: 'People' }).click();
  await host.getByRole('button', { name: 'More about Ann' }).click();
  await host.getByRole('menuitem', { name: 'Remove Ann', exact: true }).click();
  await host.getByRole('alertdialog').getByRole('button', { name: 'Remove Ann' }).click();
  await arrives(guest, heading('You were taken out of the call'));
  await press(guest, 'Ask to join again');
  await arrives(guest, heading('Waiting to be let in'));
  await letIn(host, 'Ann');
  await arrives(guest, 'main "Tea and Cake"');
  await press(guest, 'Leave');
  await arrives(guest, heading('You left the call'));
  await press(guest, 'Ask to join again');
  await arrives(guest, heading('Waiting to be let in'));

  // The host goes home, where there is a heading to arrive at, and removes the link.
  await press(host, 'Leave');
  await host.getByRole('menuitem', { name: 'Leave call' }).press('Enter');
  await arrives(host, heading('Links'));
  await removeLink(host);
  await arrives(guest, heading('This link has been removed'));
  await until('the host is somewhere', async () => (await focused(host)) !== 'nothing');

  await guest.goto('about:blank');
  await guest.goto(address);
  await arrives(guest, heading('This link has been removed'));
});
