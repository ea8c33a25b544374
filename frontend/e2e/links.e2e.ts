// Every way a link is made, shared and kept: copies of it, with the real app and real browsers.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Locator, Page } from 'playwright-core';
import type { Browser as FirefoxBrowser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumPage, evaluate, firefoxPage, openFirefox, pressFirefox } from './lab/browsers.js';
import { controls, knock } from './lab/guest.js';
import {
  type AppWindow,
  copyAddress,
  createLink,
  letIn,
  openAppWindow,
  openDetails,
} from './lab/host.js';
import type { Lab } from './lab/lab.js';
import { until } from './lab/processes.js';

let home: AppWindow;
let lab: Lab;
let chromium: Browser;
let firefox: FirefoxBrowser;
let host: Page;

beforeAll(async () => {
  [home, firefox] = await Promise.all([openAppWindow(), openFirefox()]);
  ({ lab, chromium, host } = home);
});

afterAll(async () => {
  await firefox?.close();
  await home?.close();
});

const requests = () => host.getByRole('region', { name: 'Join requests' });

/** A guest of their own browser profile. */
const guest = () => chromiumPage(chromium, { viewport: { width: 640, height: 480 } });

/** The row of a copy in the open details of its link. */
const copyRow = (details: Locator, name: string) =>
  details.getByRole('list', { name: 'Copies' }).getByRole('listitem').filter({ hasText: name });

/** Makes a copy of the newest link; returns its address, as it was copied. The details stay open. */
async function newCopy(details: Locator, name: string, once = false): Promise<string> {
  await details.getByRole('button', { name: 'New copy' }).click();
  await details.getByRole('textbox', { name: 'Copy for' }).fill(name);
  if (once) await details.getByRole('checkbox', { name: /One person only/ }).check();
  await details.getByRole('button', { name: 'OK' }).click();
  return copyAddress(lab, copyRow(details, name));
}

async function done(dialog: Locator): Promise<void> {
  await dialog.getByRole('button', { name: 'Done' }).click();
  await dialog.waitFor({ state: 'detached' });
}

/** Opens an address in Firefox, types a name and presses Join. */
async function knockInFirefox(address: string, name: string) {
  const page = await firefoxPage(firefox);
  await page.goto(address);
  const input = await page.waitForSelector('input[name=name]');
  await input!.type(name);
  await pressFirefox(page, 'Join');
  await saysInFirefox(page, 'Waiting to be let in');
  return page;
}

const saysInFirefox = (page: Parameters<typeof evaluate>[0], text: string) =>
  until(`Firefox says ${text}`, () =>
    evaluate<boolean>(page, `document.body.innerText.includes(${JSON.stringify(text)})`),
  );

describe('a copy', () => {
  let own: string;
  let choir: string;

  test('has an address of its own, which its code holds', async () => {
    own = await createLink(lab, host, 'Rehearsal');
    const details = await openDetails(host);
    choir = await newCopy(details, 'the choir');
    expect(choir.split('#')[0]).toBe(own.split('#')[0]);
    expect(choir).not.toBe(own);

    await copyRow(details, 'the choir').getByRole('button', { name: 'Share' }).click();
    const sheet = host.getByRole('dialog', { name: 'Share link' });
    await sheet.getByText('For the choir').waitFor();
    expect(await copyAddress(lab, sheet)).toBe(choir);
    await sheet.getByRole('button', { name: 'QR Code' }).click();
    const picture = join(lab.dir, 'copy.png');
    await until('the code of the copy can be read', async () => {
      writeFileSync(picture, await host.screenshot());
      return (
        (await lab.run('zbarimg', '--quiet', '--raw', picture).catch(() => '')).trim() === choir
      );
    });
    await done(sheet);
  });

  test('is named on the card of those who come by it', async () => {
    const ada = await guest();
    await knock(ada, choir, 'Ada');
    await requests().getByText('Through the copy for the choir', { exact: true }).waitFor();
    const fay = await knockInFirefox(choir, 'Fay');
    await requests().getByText('Through the copy for the choir, browser 2').waitFor();
    await letIn(host, 'Ada');
    await controls(ada).waitFor();
    await controls(host).waitFor();

    // The copy is removed: Fay hears of it, and Ada stays, also when she loads the page anew.
    await controls(host).getByRole('button', { name: 'Leave' }).click();
    await host.getByRole('menuitem', { name: 'Leave call' }).click();
    const details = await openDetails(host);
    await copyRow(details, 'the choir').getByText('2 browsers have come by it').waitFor();
    await copyRow(details, 'the choir').getByRole('button', { name: 'Remove' }).click();
    await host
      .getByRole('alertdialog')
      .getByRole('button', { name: 'Remove', exact: true })
      .click();
    await host.getByRole('status').filter({ hasText: 'Copy removed' }).first().waitFor();
    await saysInFirefox(fay, 'This address has been removed');
    await fay.reload();
    await pressFirefox(fay, 'Join');
    await saysInFirefox(fay, 'This address has been removed');
    await ada.reload();
    await controls(ada).waitFor();
    await done(details);
  });

  test('for one person is dead after the first who was let in', async () => {
    const details = await openDetails(host);
    const once = await newCopy(details, 'Grandma', true);
    await done(details);
    const [gran, eve] = [await guest(), await guest()];
    await knock(gran, once, 'Gran');
    await knock(eve, once, 'Eve');
    await letIn(host, 'Gran');
    await controls(gran).waitFor();
    await eve.getByText('This address was for one person').first().waitFor();
    await gran.reload();
    await controls(gran).waitFor();
    await gran.context().close();
    await eve.context().close();
  });
});
