// The whole story of a call by link, told to the real app: the host in
// Chromium on the dev build's real bindings, guests in Chromium, in Firefox and
// on a phone-sized screen.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import type { Browser as FirefoxBrowser, Page as FirefoxPage } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  chromiumPage,
  evaluate,
  firefoxPage,
  openChromium,
  openFirefox,
  peersMade,
  pictureOf,
  pressFirefox,
  soundReceived,
} from './lab/browsers.js';
import { chat, controls, knock } from './lab/guest.js';
import { hostPage, removeLink } from './lab/host.js';
import { type App, Lab } from './lab/lab.js';
import { until } from './lab/processes.js';

let lab: Lab;
let app: App;
let chromium: Browser;
let firefox: FirefoxBrowser;
let host: Page;
let ada: Page;
let boris: FirefoxPage;
let cleo: Page;
let address: string;

beforeAll(async () => {
  lab = await Lab.open({ notifications: true });
  lab.handleScheme('mailto');
  lab.handleScheme('sms');
  app = await lab.startApp({ dev: true });
  chromium = await openChromium();
  firefox = await openFirefox();
  host = await hostPage(chromium);
  ada = await chromiumPage(chromium, { viewport: { width: 1000, height: 700 } });
  boris = await firefoxPage(firefox);
  cleo = await chromiumPage(chromium, {
    viewport: { width: 390, height: 844 },
    hasTouch: true,
    isMobile: true,
  });
});

afterAll(async () => {
  await chromium?.close();
  await firefox?.close();
  await lab?.close();
});

/** A person's picture moves in a page's call. */
async function seesMoving(page: Page | FirefoxPage, who: string): Promise<void> {
  await until(`the picture of ${who} moves`, async () => {
    const picture = await pictureOf(page, who);
    return picture.change > 1 && picture.spread > 20;
  });
}

async function hears(page: Page | FirefoxPage): Promise<void> {
  const before = await soundReceived(page);
  await until('sound arrives', async () => (await soundReceived(page)) > before + 1e-4);
}

/** A picture that is taken out of the page and put back begins anew: none is, when somebody comes. */
const countVideosTakenOut = `(() => {
  window.__takenOut = 0;
  new MutationObserver((changes) => {
    for (const { removedNodes } of changes)
      for (const { nodeName } of removedNodes) if (nodeName === 'VIDEO') window.__takenOut++;
  }).observe(document, { subtree: true, childList: true });
})()`;

describe('a call by link', () => {
  test('the host creates a link, and its address reaches the clipboard', async () => {
    await host.goto(app.url);
    await host.getByRole('button', { name: 'Create Link' }).click();
    const sheet = host.getByRole('dialog', { name: 'Share link' });
    await sheet.getByRole('button', { name: 'Copy', exact: true }).click();
    await host.getByRole('status').filter({ hasText: 'Copied' }).first().waitFor();
    address = (await lab.clipboard()).trim();
    expect(address).toMatch(
      new RegExp(`^http://(localhost|127\\.0\\.0\\.1):${app.relayPort}/j/[\\w-]{22}#[\\w-]{22}$`),
    );
    expect(await sheet.textContent()).toContain(address.split('#')[0] ?? 'no address');
  });

  test('mail and messages open with the address, the QR code holds it, a name is given', async () => {
    const sheet = host.getByRole('dialog', { name: 'Share link' });
    await sheet.getByRole('button', { name: 'Mail' }).click();
    const mail = await until('the mail program opens', () => lab.handled('mailto'));
    expect(decodeURIComponent(mail)).toContain(address);
    await sheet.getByRole('button', { name: 'Messages' }).click();
    const message = await until('the messages program opens', () => lab.handled('sms'));
    expect(decodeURIComponent(message)).toContain(address);

    await sheet.getByRole('button', { name: 'QR Code' }).click();
    const picture = join(lab.dir, 'qr.png');
    await until('the QR code can be read', async () => {
      writeFileSync(picture, await host.screenshot());
      return (
        (await lab.run('zbarimg', '--quiet', '--raw', picture).catch(() => '')).trim() === address
      );
    });

    await sheet.getByRole('button', { name: 'Add Name' }).click();
    await sheet.getByRole('textbox', { name: 'Link name' }).fill('Grandma’s birthday');
    await sheet.getByRole('button', { name: 'OK' }).click();
    await sheet.getByRole('button', { name: 'Done' }).click();
    await host
      .getByRole('list', { name: 'Links' })
      .getByText('Grandma’s birthday')
      .first()
      .waitFor();
  });

  test('the first guest is let in from the system notification, and the host comes in', async () => {
    await ada.goto(address);
    await ada.getByText('Grandma’s birthday').first().waitFor();
    await knock(ada, address, 'Ada');
    expect(await peersMade(ada)).toBe(0);
    await host
      .getByRole('region', { name: 'Join requests' })
      .getByRole('button', { name: 'Let in Ada' })
      .waitFor();
    await ada
      .getByText(/Bell rung/)
      .first()
      .waitFor();

    await lab.pressNotification('Let in');
    await controls(host).waitFor();
    await controls(ada).waitFor();
    expect(lab.notifications().at(-1)).toMatchObject({
      summary: 'Ada',
      body: 'Grandma’s birthday',
      actions: expect.arrayContaining(['Let in', 'Decline']),
    });
    await until('the notification is put away', async () => (await lab.notificationsShown()) === 0);
    await host.getByRole('button', { name: 'Let in Ada' }).waitFor({ state: 'detached' });
  });

  test('the second guest, in Firefox, is let in from the People panel', async () => {
    await boris.goto(address);
    await boris.locator('aria/Your name[role="textbox"]').fill('Boris');
    await pressFirefox(boris, 'Join');
    await until('Boris waits', () =>
      evaluate<boolean>(boris, 'document.body.innerText.includes("Waiting to be let in")'),
    );
    expect(await peersMade(boris)).toBe(0);

    await seesMoving(ada, 'Ada');
    for (const page of [host, ada]) await page.evaluate(countVideosTakenOut);

    const people = host.getByRole('complementary', { name: 'People' });
    await controls(host).getByRole('button', { name: 'People' }).click();
    await people.getByRole('button', { name: 'Let in Boris' }).click();
    await until('Boris is in the call', () =>
      evaluate<boolean>(
        boris,
        '!!document.querySelector(\'[role="toolbar"][aria-label="Call controls"]\')',
      ),
    );
  });

  test('the third guest, on a phone, is declined and may try once more', async () => {
    await knock(cleo, address, 'Cleo');
    await host.getByRole('button', { name: 'Decline Cleo' }).first().click();
    await cleo
      .getByText('You weren’t let in')
      .or(cleo.getByText("You weren't let in"))
      .first()
      .waitFor();
    expect(await peersMade(cleo)).toBe(0);
  });

  test('everybody inside sees and hears everybody', async () => {
    const tiles = await ada
      .getByRole('group')
      .evaluateAll((groups) => groups.map((group) => group.getAttribute('aria-label') ?? ''));
    const hostName = tiles.find((name) => name && name !== 'Ada' && name !== 'Boris') as string;
    expect(hostName, `tiles at Ada: ${tiles.join(' | ')}`).toBeTruthy();
    for (const who of ['Ada', 'Boris']) await seesMoving(host, who);
    for (const who of [hostName, 'Boris']) await seesMoving(ada, who);
    for (const who of [hostName, 'Ada']) await seesMoving(boris, who);
    for (const page of [host, ada, boris]) await hears(page);
    for (const page of [host, ada]) expect(await page.evaluate('window.__takenOut')).toBe(0);
  });

  test('everybody reads what is written in the chat', async () => {
    for (const [page, text] of [
      [host, 'Welcome both'],
      [ada, 'Hello from Ada'],
    ] as const) {
      await chat(page, text);
    }
    await host.getByText('Hello from Ada').first().waitFor();
    await ada.getByText('Welcome both').first().waitFor();
    await pressFirefox(boris, 'Chat');
    await until('Boris reads both', () =>
      evaluate<boolean>(
        boris,
        'document.body.innerText.includes("Welcome both") && document.body.innerText.includes("Hello from Ada")',
      ),
    );
  });

  test('muting and turning the camera off show at the others', async () => {
    await ada.getByRole('button', { name: 'Mute', exact: true }).click();
    await ada.getByRole('button', { name: 'Unmute', exact: true }).waitFor();
    await ada.getByRole('button', { name: 'Turn camera off' }).click();
    const tile = host.getByRole('group', { name: 'Ada', exact: true });
    await until('Ada’s tile says that she is muted and her camera off', async () => {
      const said =
        `${await tile.getAttribute('aria-description')} ${await tile.textContent()}`.toLowerCase();
      return said.includes('muted') && said.includes('camera');
    });
    await ada.getByRole('button', { name: 'Turn camera on' }).click();
    await ada.getByRole('button', { name: 'Unmute', exact: true }).click();
    await seesMoving(host, 'Ada');
  });

  test('Share Link in the call gives the same address', async () => {
    await controls(host).getByRole('button', { name: 'Share Link' }).click();
    const sheet = host.getByRole('dialog', { name: 'Share link' });
    await lab.clearClipboard();
    await sheet.getByRole('button', { name: 'Copy', exact: true }).click();
    await until(
      'the clipboard holds the address',
      async () => (await lab.clipboard()).trim() === address,
    );
    await sheet.getByRole('button', { name: 'Done' }).click();
  });

  test('a reload keeps the seat', async () => {
    await ada.reload();
    await controls(ada).waitFor();
    expect(await host.getByRole('button', { name: 'Let in Ada' }).count()).toBe(0);
    await seesMoving(ada, 'Boris');
    await seesMoving(host, 'Ada');
  });

  test('when everyone has left the link is spent, and says so', async () => {
    await ada.getByRole('button', { name: 'Leave', exact: true }).click();
    await pressFirefox(boris, 'Leave');
    await host.getByRole('group', { name: 'Ada', exact: true }).waitFor({ state: 'detached' });
    await host.getByRole('group', { name: 'Boris', exact: true }).waitFor({ state: 'detached' });
    await host.getByRole('button', { name: 'Leave', exact: true }).click();
    await host
      .getByRole('button', { name: 'Leave call' })
      .or(host.getByRole('menuitem', { name: 'Leave call' }))
      .click();
    await host.getByRole('button', { name: 'Create Link' }).waitFor();
    const late = await chromiumPage(chromium);
    await late.goto(address);
    await late
      .getByText(/has been used|is used up|has ended/i)
      .first()
      .waitFor();
    expect(await peersMade(late)).toBe(0);
    await late.context().close();
  });

  test('a link removed while somebody waits tells them', async () => {
    await host.getByRole('button', { name: 'Create Link' }).click();
    const sheet = host.getByRole('dialog', { name: 'Share link' });
    await sheet.getByRole('button', { name: 'Copy', exact: true }).click();
    const old = address;
    address = await until('a new address', async () => {
      const now = (await lab.clipboard()).trim();
      return now !== old ? now : '';
    });
    await sheet.getByRole('button', { name: 'Done' }).click();
    await knock(cleo, address, 'Cleo');
    await removeLink(host);
    await cleo.getByText('This link has been removed').first().waitFor();
  });
});
