// The app as it was installed from its package into a bare Debian (scripts/test-deb.sh, which sets PORCH_DEB_ENTER to a
// command that runs another in there, as a person's user): the window opens, Create Link and Let in are pressed with a
// mouse, and a guest outside gets in and sees a picture.
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumPage, openChromium, pictureOf } from './lab/browsers.js';
import { controls, knock } from './lab/guest.js';
import { type App, Lab, root } from './lab/lab.js';
import { until } from './lab/processes.js';
import {
  amber,
  click,
  createLinkByMouse,
  difference,
  findNew,
  saveScreen,
  screen,
} from './lab/screen.js';

const tiles =
  '[...document.querySelectorAll(\'[role="group"]\')].map((g) => g.getAttribute("aria-label") ?? "")';
const enter = process.env.PORCH_DEB_ENTER;

describe.skipIf(!enter)('in a bare Debian', () => {
  let lab: Lab;
  let app: App;
  let browser: Browser;

  beforeAll(async () => {
    lab = await Lab.open({ windowManager: true });
    app = await lab.startApp({ dev: false, by: enter, program: '/usr/bin/porch' });
    browser = await openChromium();
  });

  afterAll(async () => {
    if (lab)
      await saveScreen(lab, join(root, 'build', `deb-${process.env.PORCH_DEB_SUITE}.png`)).catch(
        () => undefined,
      );
    await browser?.close();
    await lab?.close();
  });

  test('a link is made, and a guest is let in', async () => {
    const address = await createLinkByMouse(lab);
    expect(address).toContain(`:${app.relayPort}/j/`);
    await lab.run('xdotool', 'key', 'Escape');
    const guest = await chromiumPage(browser);
    const before = await until('the window stands still', async () => {
      const shot = screen(lab);
      await new Promise((done) => setTimeout(done, 400)); // the time over which nothing is to have moved
      return difference(shot, screen(lab)) === 0 ? shot : undefined;
    });
    await knock(guest, address, 'Ada');
    const button = await until('a card asks to let Ada in', () => {
      const found = findNew(before, screen(lab), amber);
      return found && found.area > 1_000 ? found : undefined;
    });
    await click(lab, button.x, button.y);
    await controls(guest).waitFor();
    const host = await until('the host has a tile', async () =>
      (await guest.evaluate<string[]>(tiles)).find((name) => !name.startsWith('Ada')),
    );
    await until(
      'the host’s picture moves',
      async () => (await pictureOf(guest, host)).change > 0.2,
      { within: 60_000 },
    );
  });
});
