// What only the host can do about guests and calls, with the real app and real
// browsers: the door, the People panel, leaving and coming back.
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumPage, pictureOf, picturesSent, soundsSent } from './lab/browsers.js';
import { askToJoin, controls, waits } from './lab/guest.js';
import { type AppWindow, createLink, letIn, openAppWindow } from './lab/host.js';
import type { Lab } from './lab/lab.js';
import { until } from './lab/processes.js';

let home: AppWindow;
let lab: Lab;
let chromium: Browser;
let host: Page;
let address: string;

beforeAll(async () => {
  home = await openAppWindow();
  ({ lab, chromium, host } = home);
});

afterAll(() => home?.close());

/** A guest of their own browser profile, who has knocked. */
async function knock(name: string, { picture = false } = {}): Promise<Page> {
  const page = await chromiumPage(chromium, { viewport: { width: 640, height: 480 } });
  await page.goto(address);
  await page.getByRole('textbox', { name: 'Your name' }).fill(name);
  if (picture) await page.getByRole('checkbox', { name: 'Send a picture with my request' }).check();
  await page.getByRole('button', { name: 'Join', exact: true }).click();
  await waits(page);
  return page;
}

const requests = () => host.getByRole('region', { name: 'Join requests' });
const people = () => host.getByRole('complementary', { name: 'People' });

async function answer(name: string, item: string): Promise<void> {
  await host.getByRole('button', { name: `More answers for ${name}` }).click();
  await host.getByRole('menuitem', { name: item, exact: true }).click();
}

async function about(name: string, item: string): Promise<void> {
  await people()
    .getByRole('button', { name: `More about ${name}` })
    .click();
  await host.getByRole('menuitem', { name: item }).click();
}

/** Waits until a page whose connection stands sends no picture any more; returns how many it has sent. */
const stopsSending = (page: Page) =>
  until('no picture is sent to an empty call', async () => {
    const sent = [await soundsSent(page), await picturesSent(page)];
    await new Promise((later) => setTimeout(later, 500)); // some ten pictures
    const pictures = await picturesSent(page);
    return (await soundsSent(page)) > sent[0]! && pictures === sent[1] ? { pictures } : undefined;
  });

describe('at the door', () => {
  let ada: Page;
  let bea: Page;

  test('a card can be answered while a dialog is open', async () => {
    address = await createLink(lab, host);
    ada = await knock('Ada');
    await host.getByRole('button', { name: 'Settings' }).click();
    const settings = host.getByRole('dialog', { name: 'Settings' });
    await settings.waitFor();
    await answer('Ada', 'Ask to wait');
    await ada
      .getByText(/asked you to wait/i)
      .first()
      .waitFor();
    await settings.getByRole('textbox', { name: 'Your name' }).fill('Grace');
    await settings.getByRole('button', { name: 'Done' }).click();
    await settings.waitFor({ state: 'detached' });
  });

  test('a card shows the picture that a guest sent', async () => {
    expect(await requests().getByRole('img').count()).toBe(0);
    bea = await knock('Bea', { picture: true });
    const picture = requests().getByRole('img', { name: 'Picture that Bea sent' });
    await until(
      'the picture is drawn',
      async () => (await picture.evaluate((img: HTMLImageElement) => img.naturalWidth)) > 0,
    );
  });

  test('the title counts, and everyone is let in at once', async () => {
    await until('the title counts two', async () => (await host.title()) === '(2) Porch');
    await requests().getByRole('button', { name: 'Let in everyone' }).click();
    for (const page of [host, ada, bea]) await controls(page).waitFor();
    await requests().waitFor({ state: 'detached' });
    await ada.getByRole('group', { name: 'Grace', exact: true }).waitFor();
    await until('the title counts none', async () => (await host.title()) === 'Porch call – Porch');
  });

  test('a blocked guest cannot ask again', async () => {
    const eve = await knock('Eve');
    await answer('Eve', 'Block');
    await eve
      .getByText(/You weren[’']t let in/)
      .first()
      .waitFor();
    expect(await eve.getByRole('button', { name: 'Ask to join again' }).count()).toBe(0);
    await eve.context().close();
  });

  test('silenced requests stay in the People panel', async () => {
    await controls(host).getByRole('button', { name: 'People' }).click();
    const silence = people().getByRole('switch', { name: 'Silence Join Requests' });
    await silence.click();
    await until(
      'requests are silenced',
      async () => (await silence.getAttribute('aria-checked')) === 'true',
    );
    await controls(host).getByRole('button', { name: 'People' }).click();
    const dan = await knock('Dan');
    await until('the People button says that somebody waits', async () =>
      (await host.getByRole('toolbar').textContent())?.includes('1 waiting'),
    );
    expect(await requests().count()).toBe(0);
    expect(await host.title()).toBe('Porch call – Porch');
    await controls(host).getByRole('button', { name: 'People' }).click();
    await people().getByRole('button', { name: 'Decline Dan' }).click();
    await dan
      .getByText(/You weren[’']t let in/)
      .first()
      .waitFor();
    await dan.context().close();
    await silence.click();
  });

  test('a locked call takes no new requests', async () => {
    const lock = people().getByRole('switch', { name: 'Lock' });
    await lock.click();
    await until(
      'the call is locked',
      async () => (await lock.getAttribute('aria-checked')) === 'true',
    );
    const eve = await chromiumPage(chromium);
    await askToJoin(eve, address, 'Eve');
    await eve
      .getByText(/locked|no new/i)
      .first()
      .waitFor();
    expect(await people().getByRole('button', { name: 'Let in Eve' }).count()).toBe(0);
    await eve.context().close();
    await lock.click();
    await until(
      'the call is open',
      async () => (await lock.getAttribute('aria-checked')) === 'false',
    );
  });

  test('a guest is muted for everyone, and may unmute', async () => {
    await about('Ada', 'Mute Ada');
    await ada.getByRole('button', { name: 'Unmute', exact: true }).click();
    await ada.getByRole('button', { name: 'Mute', exact: true }).waitFor();
  });

  test('a guest is removed, and does not ask again', async () => {
    const removing = 'Remove Bea and don’t let them ask again';
    await about('Bea', removing);
    const question = host.getByRole('alertdialog');
    await question.getByRole('button', { name: removing }).click();
    await bea
      .getByText(/can[’']t ask again/)
      .first()
      .waitFor();
    await host.getByRole('group', { name: 'Bea', exact: true }).waitFor({ state: 'detached' });
    expect(await bea.getByRole('button', { name: 'Ask to join again' }).count()).toBe(0);
    await bea.context().close();
  });

  test('the host’s window comes back into the call when it is loaded again', async () => {
    await host.reload();
    await controls(host).waitFor();
    await until('Ada’s picture moves', async () => (await pictureOf(host, 'Ada')).change > 1);
    await until(
      'the host’s picture moves at Ada',
      async () => (await pictureOf(ada, 'Grace')).change > 1,
    );
  });

  test('the host leaves, the guest stays, the host joins again', async () => {
    await host.getByRole('button', { name: 'Leave', exact: true }).click();
    await host.getByRole('menuitem', { name: 'Leave call' }).click();
    const list = host.getByRole('list', { name: 'Links' });
    await list.getByText('Live now').waitFor();
    await list.getByText('1 in the call').waitFor();
    await ada.getByRole('group', { name: 'Grace', exact: true }).waitFor({ state: 'detached' });
    await stopsSending(ada);
    await list.getByRole('button', { name: 'Join' }).click();
    await until('Ada’s picture moves', async () => (await pictureOf(host, 'Ada')).change > 1);
  });

  test('ending the call for everyone uses the link up', async () => {
    await host.getByRole('button', { name: 'Leave', exact: true }).click();
    await host.getByRole('menuitem', { name: 'End call for everyone' }).click();
    await ada
      .getByText(/call has ended/i)
      .first()
      .waitFor();
    await host.getByRole('list', { name: 'Links' }).getByText('Ended').waitFor();
    expect(await host.getByRole('button', { name: 'Start' }).count()).toBe(0);
    await ada.context().close();
  });
});

describe('link details', () => {
  test('a name given there is what guests read; Escape brings the focus back', async () => {
    address = await createLink(lab, host);
    const info = host
      .getByRole('list', { name: 'Links' })
      .getByRole('button', { name: 'Info' })
      .first();
    await info.click();
    const details = host.getByRole('dialog', { name: 'Link details' });
    await details.getByRole('textbox', { name: 'Link name' }).fill('Choir practice');
    await host.keyboard.press('Escape');
    await details.waitFor({ state: 'detached' });
    await until('the focus is on Info again', () =>
      info.evaluate((button) => button === document.activeElement),
    );
    await host.getByRole('list', { name: 'Links' }).getByText('Choir practice').waitFor();
    const ada = await chromiumPage(chromium);
    await ada.goto(address);
    await ada.getByText('Choir practice').first().waitFor();
    await ada.context().close();
  });

  test('Start enters an empty call, which stays open when the host leaves it alone', async () => {
    await host.getByRole('button', { name: 'Start' }).first().click();
    await controls(host).waitFor();
    await until('the own picture moves', async () => (await pictureOf(host, 'Grace')).change > 1);
  });

  test('the picture is made ready while somebody knocks, and only then', async () => {
    // Some may have been sent before the encoding could be changed.
    const before = await stopsSending(host);
    const ada = await knock('Ada');
    await until('the picture is sent', async () => (await picturesSent(host)) > before.pictures);
    await host.getByRole('button', { name: 'Decline Ada' }).first().click();
    await requests().waitFor({ state: 'detached' });
    await stopsSending(host);
    await ada.context().close();
  });

  test('room is made at once for somebody who comes, and tiles glide when somebody goes', async () => {
    await host.locator('.stage:not(.still)').waitFor();
    await host.evaluate(`addEventListener('transitionrun', ({ target }) => {
      if (!target.matches('.tile')) return;
      const how = document.querySelector('.stage.still') ? 'still' : 'free';
      window.__glides[how]++;
    }); window.__glides = { still: 0, free: 0 };`);
    const glides = () => host.evaluate<{ still: number; free: number }>('window.__glides');
    const fay = await knock('Fay');
    const still = host.locator('.stage.still').waitFor();
    await letIn(host, 'Fay');
    await still;
    await host.getByRole('group', { name: 'Fay', exact: true }).waitFor();
    await host.locator('.stage:not(.still)').waitFor();
    expect((await glides()).still).toBe(0);
    const { free } = await glides();
    await fay.getByRole('button', { name: 'Leave', exact: true }).click();
    await host.getByRole('group', { name: 'Fay', exact: true }).waitFor({ state: 'detached' });
    await until('the own picture glides back', async () => (await glides()).free > free);
    await fay.context().close();
  });
});
