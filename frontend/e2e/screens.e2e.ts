// Every screen of host and guest, in light and dark, wide and 390 px: looked
// at by axe, and kept as a picture in build/screenshots for people to look at.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { seriousOn } from './lab/axe.js';
import { chromiumPage, openChromium, pictureOf } from './lab/browsers.js';
import { chat, controls, knock } from './lab/guest.js';
import { copyAddress, createLink, letIn, newLink, openDetails, removeLink } from './lab/host.js';
import { type App, Lab, root } from './lab/lab.js';
import { until } from './lab/processes.js';
import { devicesOf, people } from './people.js';

const pictures = join(root, 'build', 'screenshots');

let lab: Lab;
let app: App;
let browser: Browser;
let host: Page;
let guest: Page;

beforeAll(async () => {
  mkdirSync(pictures, { recursive: true });
  lab = await Lab.open();
  app = await lab.startApp({ dev: true, synthetic: false });
  // Pages are drawn without a GPU: at once, not by a GPU that is itself played in software.
  browser = await openChromium({ args: ['--disable-gpu'] });
  host = await personsPage('host');
  guest = await personsPage('grandma');
});

afterAll(async () => {
  await browser?.close();
  await lab?.close();
});

/** A page of its own, before whose camera a drawn person sits. */
async function personsPage(who: keyof typeof people, speaks = false): Promise<Page> {
  const page = await chromiumPage(browser);
  await page.addInitScript(devicesOf(people[who], speaks));
  return page;
}

const wide = { host: { width: 1100, height: 760 }, guest: { width: 1200, height: 800 } };
const narrow = { width: 390, height: 844 };

type Scheme = 'light' | 'dark';

/** Waits in a page until it is drawn, in the colours that it is to have: they change gradually. */
const drawn = `(async () => {
  const frame = () => new Promise(requestAnimationFrame);
  await frame();
  await frame();
  const changes = document.getAnimations().filter((a) => a instanceof CSSTransition);
  await Promise.all(changes.map((a) => a.finished.catch(() => {}))); // one that is cut short has ended, too
})()`;

/**
 * Takes the four pictures of a screen and asks axe about each: about everything in the first scheme of the system, in the
 * other about what may be another. show brings back what a change of the window's size closes, such as a menu.
 */
async function look(
  whose: 'host' | 'guest',
  name: string,
  page: Page,
  { show, schemes = ['light', 'dark'] }: { show?: () => Promise<void>; schemes?: Scheme[] } = {},
): Promise<void> {
  const serious: string[] = [];
  for (const [size, viewport] of [
    ['390', narrow],
    ['wide', wide[whose]],
  ] as const) {
    await page.setViewportSize(viewport);
    for (const scheme of schemes) {
      await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
      // A toolbar that has hidden itself comes back when the mouse moves.
      await page.mouse.move(viewport.width / 2, viewport.height / 2 + Math.random());
      await show?.();
      await page.evaluate(drawn);
      await page.screenshot({ path: join(pictures, `${whose}-${name}-${scheme}-${size}.png`) });
      const found = await seriousOn(page, scheme === schemes[0] ? 'everything' : 'colours');
      serious.push(...found.map((line) => `${scheme} ${size}: ${line}`));
    }
    const overflow = await page.evaluate<number>(
      'document.documentElement.scrollWidth - innerWidth',
    );
    if (overflow > 0) serious.push(`${size}: ${overflow} px wider than the screen`);
  }
  expect(serious, `${whose} ${name}`).toEqual([]);
}

const done = (dialog: string) =>
  host.getByRole('dialog', { name: dialog }).getByRole('button', { name: 'Done' }).click();

describe('screens', { timeout: 600_000 }, () => {
  let address: string;

  test('host: home, empty', async () => {
    await host.goto(app.url);
    await host.getByRole('button', { name: 'Create Link' }).waitFor();
    await host.evaluate("window.go.main.App.SetName('Sam')");
    await look('host', '01-home-empty', host);
  });

  test('host: a look of its own, whatever the system has', async () => {
    for (const [theme, system, background] of [
      ['Dark', 'light', 'rgb(20, 21, 26)'],
      ['Light', 'dark', 'rgb(251, 249, 246)'],
    ] as const) {
      await host.getByRole('button', { name: 'Settings' }).click();
      await host.getByRole('combobox', { name: 'Appearance' }).selectOption(theme);
      await host.locator(`:root[data-theme="${theme.toLowerCase()}"]`).waitFor();
      await look('host', `16-settings-made-${theme.toLowerCase()}`, host, { schemes: [system] });
      const shown = await host.evaluate<string>('getComputedStyle(document.body).backgroundColor');
      expect(shown, `${theme} in a ${system} system`).toBe(background);
      await host.keyboard.press('Escape');
      await look('host', `17-home-made-${theme.toLowerCase()}`, host, { schemes: [system] });
    }
    await host.getByRole('button', { name: 'Settings' }).click();
    await host.getByRole('combobox', { name: 'Appearance' }).selectOption('System');
    await host.locator(':root[data-theme="system"]').waitFor();
    await host.keyboard.press('Escape');
  });

  test('host: who can open links, and a relay that is not there', async () => {
    await host.getByRole('button', { name: 'Change who can open links' }).click();
    const sheet = host.getByRole('dialog', { name: 'Who can open links' });
    await look('host', '12-reach', host);
    const at = sheet.getByRole('textbox', { name: 'Relay address' });
    await at.fill('https://porch.example/j/AAAAAAAAAAAAAAAAAAAAAA#AAAAAAAAAAAAAAAAAAAAAA');
    await sheet.getByRole('button', { name: 'Test relay' }).click();
    await sheet.getByText('This is the address of a call').waitFor();
    await look('host', '13-reach-link', host);
    await at.fill('localhost:9'); // where nobody listens
    await sheet.getByRole('button', { name: 'Test relay' }).click();
    await sheet.getByText('The relay can’t be reached').waitFor();
    await sheet.getByRole('button', { name: 'Add relay' }).click();
    await sheet
      .getByRole('list', { name: 'Relays' })
      .getByText('Can’t be reached just now')
      .waitFor();
    await look('host', '14-reach-away', host);
    await done('Who can open links');
    await host.getByText('localhost:9 can’t be reached just now').first().waitFor(); // and it is spoken
    await look('host', '15-home-away', host);
    await host.getByRole('button', { name: 'Change who can open links' }).click();
    await sheet.getByRole('button', { name: 'Remove localhost:9' }).click();
    await host.getByRole('alertdialog').getByRole('button', { name: 'Remove' }).click();
    await sheet.getByRole('list', { name: 'Relays' }).waitFor({ state: 'detached' });
    await done('Who can open links');
    await host.getByRole('button', { name: 'Got it' }).click();
    await host.getByText('localhost:9 removed').waitFor({ state: 'detached' });
  });

  test('host: share sheet, with its QR code and its name field', async () => {
    const sheet = await newLink(host);
    await sheet.waitFor();
    await look('host', '02-share', host);
    await sheet.getByRole('button', { name: 'Add Name' }).click();
    await sheet.getByRole('textbox', { name: 'Link name' }).fill('Sunday with Grandma');
    await look('host', '03-share-name', host);
    await sheet.getByRole('button', { name: 'OK' }).click();
    await sheet.getByRole('button', { name: 'QR Code' }).click();
    await look('host', '04-share-qr', host);
    address = await copyAddress(lab, sheet);
    await done('Share link');
  });

  test('host: home with links, link details, the question before removing, settings', async () => {
    for (const name of ['Book club', '']) {
      await newLink(host, name);
      await done('Share link');
    }
    await look('host', '05-home', host);
    await (await openDetails(host)).waitFor();
    await look('host', '06-details', host);
    await host.getByRole('button', { name: 'Remove Link' }).click();
    await host.getByRole('alertdialog').waitFor();
    await look('host', '07-remove', host);
    await host.getByRole('alertdialog').getByRole('button', { name: 'Cancel' }).click();
    await host.keyboard.press('Escape');
    await host.getByRole('button', { name: 'Settings' }).click();
    await look('host', '08-settings', host);
    await host.keyboard.press('Escape');
  });

  test('guest: before; waiting; host: one and several join requests', async () => {
    await guest.goto(address);
    await guest.getByText('Sunday with Grandma').first().waitFor();
    await until('the own picture is there', () =>
      guest.evaluate<boolean>('(document.querySelector("video")?.readyState ?? 0) >= 2'),
    );
    await look('guest', '01-before', guest);
    await knock(guest, address, 'Ada');
    await host.getByRole('button', { name: 'Let in Ada' }).first().waitFor();
    await look('guest', '02-waiting', guest);
    await look('host', '09-knock', host);
  });

  test('guest: declined', async () => {
    await host.getByRole('button', { name: 'Decline Ada' }).first().click();
    await guest
      .getByText(/You weren[’']t let in/)
      .first()
      .waitFor();
    await look('guest', '03-declined', guest);
    await guest.getByRole('button', { name: 'Ask to join again' }).click();
  });

  test('both: in the call; panels; a knock during it', async () => {
    await letIn(host, 'Ada');
    await controls(guest).waitFor();
    const boris = await personsPage('bearded', true);
    await knock(boris, address, 'Boris');
    await letIn(host, 'Boris');
    await controls(boris).waitFor();
    for (const page of [host, guest]) {
      await until('pictures move', async () => (await pictureOf(page, 'Boris')).change > 0.3);
    }
    await look('host', '10-call', host);
    await look('guest', '04-call', guest);

    for (const [whose, name, page] of [
      ['host', '10b-call-details', host],
      ['guest', '04b-call-details', guest],
    ] as const) {
      await page.getByRole('button', { name: 'Call details' }).click();
      const dialog = page.getByRole('dialog', { name: 'Call details' });
      await dialog
        .getByText(/a\ssecond/)
        .first()
        .waitFor();
      await look(whose, name, page);
      await page.keyboard.press('Escape');
      await dialog.waitFor({ state: 'detached' });
    }

    const cleo = await personsPage('sister');
    await knock(cleo, address, 'Cleo');
    await host.getByRole('button', { name: 'Let in Cleo' }).first().waitFor();
    await host.evaluate('document.activeElement.blur()'); // the ring of what was pressed last
    await look('host', '11-call-knock', host);
    await host.setViewportSize(wide.host);
    await controls(host).getByRole('button', { name: 'People' }).click();
    await host.getByRole('complementary', { name: 'People' }).waitFor();
    await look('host', '12-call-people', host);
    await host.keyboard.press('Escape');
    await cleo.context().close();

    for (const [page, text] of [
      [guest, 'Can you hear me?'],
      [host, 'Loud and clear!'],
    ] as const) {
      await page.setViewportSize(wide.host);
      await chat(page, text);
      await guest.getByText(text).first().waitFor();
    }
    await look('host', '13-call-chat', host);
    await look('guest', '05-call-chat', guest);
    await boris.getByRole('button', { name: 'Leave', exact: true }).click();
    await look('guest', '06-left', boris);
    await boris.context().close();
  });

  test('guest: ended and spent', async () => {
    const end = host
      .getByRole('button', { name: 'End call for everyone' })
      .or(host.getByRole('menuitem', { name: 'End call for everyone' }));
    const openLeave = async () => {
      if (await end.isVisible()) return;
      await host.getByRole('button', { name: 'Leave', exact: true }).click();
      await end.waitFor();
    };
    await look('host', '14-leave', host, { show: openLeave });
    await openLeave();
    await end.click();
    await guest
      .getByText(/call has ended/i)
      .first()
      .waitFor();
    await look('guest', '07-ended', guest);
    await guest.goto('about:blank');
    await guest.goto(address);
    await guest
      .getByText(/has been used|is used up|has ended/i)
      .first()
      .waitFor();
    await look('guest', '08-spent', guest);
  });

  test('guest: removed; unknown link; host away', async () => {
    const mine = await createLink(lab, host);
    await knock(guest, mine, 'Ada');
    await removeLink(host);
    await guest.getByText('This link has been removed').first().waitFor();
    await look('guest', '09-removed', guest);

    await guest.goto('about:blank');
    await guest.goto(mine.replace(/\/j\/.{22}#.{22}/, `/j/${'A'.repeat(22)}#${'A'.repeat(22)}`));
    await guest
      .getByText(/can[’']t be reached|isn[’']t available/i)
      .first()
      .waitFor();
    await look('guest', '10-unavailable', guest);

    const other = await createLink(lab, host);
    await knock(guest, other, 'Ada');
    await app.started.stop('SIGKILL');
    await guest
      .getByText(/can[’']t be reached/i)
      .first()
      .waitFor();
    await look('guest', '11-host-away', guest);
  });
});
