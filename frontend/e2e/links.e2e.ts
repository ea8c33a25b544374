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
  for (const scheme of ['mailto', 'sms']) lab.handleScheme(scheme);
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

/** The host leaves the call, in one of the two ways. */
async function leave(how: 'Leave call' | 'End call for everyone'): Promise<void> {
  await controls(host).getByRole('button', { name: 'Leave' }).click();
  await host.getByRole('menuitem', { name: how }).click();
  await controls(host).waitFor({ state: 'detached' });
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
    await leave('Leave call');
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
    await leave('End call for everyone');
  });
});

describe('a link', () => {
  test('gets a new address, and those who are in stay', async () => {
    const old = await createLink(lab, host, 'Leaked');
    const [ada, eve] = [await guest(), await guest()];
    await knock(ada, old, 'Ada');
    await letIn(host, 'Ada');
    await controls(ada).waitFor();
    await controls(host).waitFor();
    await leave('Leave call');
    await knock(eve, old, 'Eve');

    const details = await openDetails(host);
    await details.getByRole('button', { name: 'New address' }).click();
    await host.getByRole('alertdialog').getByRole('button', { name: 'New address' }).click();
    await host.getByRole('status').filter({ hasText: 'The link has a new address' }).waitFor();
    await eve.getByText('This link has a new address').first().waitFor();
    const fresh = await copyAddress(lab, details);
    expect(fresh).not.toBe(old);
    expect(fresh.split('#')[0]).toBe(old.split('#')[0]);
    await done(details);

    await ada.reload();
    await controls(ada).waitFor();
    const fay = await knockInFirefox(fresh, 'Fay');
    await letIn(host, 'Fay');
    await until('Firefox is in the call', () =>
      evaluate<boolean>(fay, `document.querySelector('[role=toolbar]') !== null`),
    );
    await fay.close();
    await ada.context().close();
    await eve.context().close();
    await leave('End call for everyone');
  });

  test('opens later: the page says when, and opens by itself', async () => {
    const address = await createLink(lab, host, 'Later');
    const [id] = address.split('/j/')[1]!.split('#');
    const set = (opensAt: number) =>
      host.evaluate(`window.go.main.App.SetLinkTimes('${id}', ${opensAt}, 'keep', 0)`);
    const details = await openDetails(host);
    await details.getByRole('combobox', { name: 'Opens' }).selectOption('At a time');
    await details.getByRole('combobox', { name: 'Ends' }).selectOption('Keep');
    await details.getByText('It stays after each call').waitFor();
    expect(await details.getByLabel('Opens on').inputValue()).toMatch(/T\d\d:00$/);
    await done(details);

    const ada = await chromiumPage(chromium, {
      viewport: { width: 640, height: 480 },
      timezoneId: 'Asia/Tokyo',
    });
    await ada.goto(address);
    await ada.getByRole('heading', { name: 'This call opens later' }).waitFor();
    expect(await ada.getByRole('main').textContent()).toMatch(/GMT\+9|JST/);
    expect(await ada.getByRole('button', { name: 'Join', exact: true }).count()).toBe(0);
    const fay = await firefoxPage(firefox);
    await fay.goto(address);
    await saysInFirefox(fay, 'This call opens later');

    await set(Date.now() + 3000);
    await until('a clock runs down', async () =>
      /00:00:0\d/.test((await ada.getByRole('timer').textContent()) ?? ''),
    );
    await ada.getByRole('textbox', { name: 'Your name' }).fill('Ada');
    await ada.getByRole('button', { name: 'Join', exact: true }).click();
    await requests().getByRole('button', { name: 'Let in Ada' }).waitFor();
    await pressFirefox(fay, 'Join');
    await fay.close();
    await ada.context().close();
  });

  test('is found, renamed and removed with the keyboard alone, and that is undone', async () => {
    const list = host.getByRole('list', { name: 'Links' });
    const row = (name: string) => list.getByRole('listitem').filter({ hasText: name });
    await host.getByRole('searchbox', { name: 'Search links' }).focus();
    await host.keyboard.type('later');
    await row('Rehearsal').waitFor({ state: 'detached' });
    await host.keyboard.press('ArrowDown');
    await host.keyboard.press('F2');
    await host.keyboard.type('Family');
    await host.keyboard.press('Enter');
    await row('Family').waitFor({ state: 'detached' }); // it is searched for 'later'
    await host.getByRole('searchbox').fill('');
    await row('Family').getByRole('button', { name: 'Family', exact: true }).focus();
    await host.keyboard.press('Enter');
    await done(host.getByRole('dialog', { name: 'Link details' }));
    await row('Family').getByRole('button', { name: 'Family', exact: true }).focus();
    await host.keyboard.press('Delete');
    await host.getByRole('alertdialog').getByRole('button', { name: 'Remove' }).press('Enter');
    const undo = host.getByRole('status').getByRole('button', { name: 'Undo' });
    await undo.waitFor();
    await row('Family').getByText('Being removed').waitFor();
    await undo.press('Enter');
    await undo.waitFor({ state: 'detached' });
    await row('Family').getByText('Kept').waitFor();
    await host.getByRole('combobox', { name: 'Sort' }).selectOption('By name');
    const names = await list
      .getByRole('button')
      .filter({ hasText: /^(Family|Rehearsal)$/ })
      .allTextContents();
    expect(names).toEqual(['Family', 'Rehearsal']);
  });

  test('has a history, which can be erased', async () => {
    const list = host.getByRole('list', { name: 'Links' });
    await list.getByRole('button', { name: 'Leaked' }).click();
    const details = host.getByRole('dialog', { name: 'Link details' });
    const history = details.getByRole('region', { name: 'History' });
    await history.getByText('Ada').first().waitFor();
    await history.getByText('Fay').first().waitFor();
    expect(await history.textContent()).toMatch(/\d (sec|min).*\d (k|M)B/is);
    await history.getByRole('button', { name: 'Erase history' }).click();
    await host.getByRole('alertdialog').getByRole('button', { name: 'Erase' }).click();
    await details.waitFor({ state: 'detached' });
    await list.getByRole('button', { name: 'Leaked' }).waitFor({ state: 'detached' });
  });
});

describe('the share sheet', () => {
  let sheet: Locator;
  const details = () => host.getByRole('dialog', { name: 'Link details' });

  test('copies the plain address, and a link with the name', async () => {
    await host.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    const list = host.getByRole('list', { name: 'Links' });
    await list.getByRole('button', { name: 'Family', exact: true }).click();
    await details().getByRole('button', { name: 'Share Link' }).click();
    sheet = host.getByRole('dialog', { name: 'Share link' });
    await host.evaluate(`navigator.clipboard.writeText('')`); // what was copied before the link had its name
    const address = await copyAddress(lab, sheet);
    const rich = await until('the page has copied a link', () =>
      host.evaluate<{ plain: string; html: string } | undefined>(`(async () => {
        const [item] = await navigator.clipboard.read();
        if (!item?.types.includes('text/html')) return undefined;
        const text = async (type) => (await item.getType(type)).text();
        return { plain: await text('text/plain'), html: await text('text/html') };
      })()`),
    );
    expect(rich.plain).toBe(address);
    expect(rich.html).toContain(`href="${address}"`);
    expect(rich.html).toContain('>Family</a>');
  });

  test('keeps a text of one’s own, with which mails and messages go', async () => {
    await sheet.getByRole('button', { name: 'Mail' }).click();
    const first = decodeURIComponent(await until('a mail opens', () => lab.handled('mailto')));
    expect(first).toContain('nothing to install');
    await sheet.getByRole('button', { name: 'Edit text' }).click();
    const text = sheet.getByRole('textbox', { name: 'Text with the link' });
    await until('the text is there', async () => (await text.inputValue()).includes('Porch'));
    expect(await text.inputValue()).not.toContain('/j/');
    await text.fill('Come over & “sing”!');
    await sheet.getByRole('button', { name: 'OK' }).click();
    await text.waitFor({ state: 'detached' });
    await sheet.getByRole('button', { name: 'Messages' }).click();
    const message = decodeURIComponent(await until('a message opens', () => lab.handled('sms')));
    expect(message).toMatch(/Come over & “sing”!\s+https?:.*\/j\//);
  });

  test('writes a call into calendars, which repeats if its link stays', async () => {
    await host.evaluate(`(() => {
      window.__wishes = [];
      window.go.main.App.SaveCalendar = async (...wish) => { window.__wishes.push(wish); return '/a/file.ics'; };
    })()`);
    await sheet.getByRole('button', { name: 'Calendar' }).click();
    await sheet.getByLabel('Starts').fill('2027-05-03T18:30');
    await sheet.getByRole('combobox', { name: 'Length' }).selectOption('45 min');
    await sheet.getByRole('combobox', { name: 'Repeats' }).selectOption('Every week');
    await sheet.getByRole('button', { name: 'Save file' }).click();
    await host.getByRole('status').filter({ hasText: 'saved' }).first().waitFor();
    const [[, url, wish]] = (await host.evaluate('window.__wishes')) as [
      [string, string, Record<string, unknown>],
    ];
    expect(url).toContain('/j/');
    expect(wish).toEqual({
      start: new Date('2027-05-03T18:30').getTime(),
      minutes: 45,
      repeat: 'weekly',
      zone: await host.evaluate('Intl.DateTimeFormat().resolvedOptions().timeZone'),
    });
    await done(sheet);
  });
});
