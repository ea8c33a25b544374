// Environments in which a call can't work, or not yet: UDP forbidden in a guest's browser or on the host's computer, browsers
// without connections, without script, too old, or built into an app. Whoever sits in one is told what to do.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumPage, openChromium, pictureOf } from './lab/browsers.js';
import { askToJoin, controls } from './lab/guest.js';
import { createLink, hostPage, letIn } from './lab/host.js';
import { type App, Lab, noUDP, root } from './lab/lab.js';
import { freePort, logOf, Processes, type Started, until } from './lab/processes.js';

/** How long it may take at most until somebody is told, in milliseconds. */
const soon = 15_000;

/** What extensions set that "prevent WebRTC from leaking local addresses", and policies of an office. */
const forbidden = '--webrtc-ip-handling-policy=disable_non_proxied_udp';

let chromium: Browser;
beforeAll(async () => {
  chromium = await openChromium();
});
afterAll(async () => {
  await chromium?.close();
});

describe('with the host’s window', () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await Lab.open();
  });
  afterAll(async () => {
    await lab?.close();
  });

  async function window(app: App): Promise<Page> {
    const page = await hostPage(chromium);
    await page.goto(app.url);
    return page;
  }

  test('a guest whose browser forbids UDP is told so, and so is the host; others are not disturbed', async () => {
    const host = await window(await lab.startApp({ dev: true }));
    const address = await createLink(lab, host);
    const strict = await openChromium({ args: [forbidden] });
    try {
      const [ada, bea] = [await chromiumPage(chromium), await chromiumPage(strict)];
      await askToJoin(ada, address, 'Ada');
      await letIn(host, 'Ada');
      await controls(ada).waitFor();
      await askToJoin(bea, address, 'Bea');
      await letIn(host, 'Bea');
      const since = Date.now();
      await bea.getByRole('alert').filter({ hasText: 'WebRTC leaks' }).waitFor({ timeout: soon });
      const tile = (page: Page) => page.getByRole('group', { name: 'Bea' });
      const words = 'Bea’s browser lets no sound or picture through';
      await tile(host).getByText(words).waitFor({ timeout: soon });
      await tile(ada).getByText(words).waitFor({ timeout: soon });
      expect(Date.now() - since).toBeLessThan(soon);
      await host.getByRole('button', { name: 'People', exact: true }).click();
      const people = host.getByRole('complementary', { name: 'People' });
      await people.getByRole('listitem').filter({ hasText: words }).waitFor();
      expect(await people.getByText('no sound or picture').count()).toBe(1);

      expect(await ada.getByText('No sound or picture gets through').count()).toBe(0);
      await until('Ada’s picture moves', async () => (await pictureOf(host, 'Ada')).change > 0);

      // With the extension switched off, Bea opens the link again.
      const again = await chromiumPage(chromium);
      await bea.getByRole('button', { name: 'Leave', exact: true }).click();
      await askToJoin(again, address, 'Bea');
      await letIn(host, 'Bea');
      await until('Bea’s picture moves', async () => (await pictureOf(host, 'Bea')).change > 0);
      expect(await host.getByText('no sound or picture').count()).toBe(0);
      expect(await host.getByText('has not started').isVisible()).toBe(false);
    } finally {
      await strict.close();
    }
  });

  test('a web view that can’t read the script shows what stands in the window', async () => {
    const app = await lab.startApp({ dev: true });
    const page = await chromiumPage(chromium);
    await page.route('**/assets/*.js', (route) =>
      route.fulfill({ contentType: 'text/javascript', body: 'const = ;' }),
    );
    await page.goto(app.url);
    await page.getByText('Porch’s window has not started').waitFor({ timeout: soon });
    await page.context().close();
  });

  test('a host that may use no UDP says so in its log, in its window and to its guests', async () => {
    const app = await lab.startApp({ dev: true, by: await noUDP(lab.dir) });
    const host = await window(app);
    const address = await createLink(lab, host);
    expect(logOf(app.started)).not.toContain('udp-unavailable');
    const ada = await chromiumPage(chromium);
    await askToJoin(ada, address, 'Ada');
    await letIn(host, 'Ada');
    const notice = host
      .getByRole('status')
      .filter({ hasText: 'This computer lets Porch use no UDP' });
    await notice.waitFor({ timeout: 3000 });
    expect(logOf(app.started)).toContain('udp-unavailable');
    await ada
      .getByRole('alert')
      .filter({ hasText: 'the host’s computer may not use UDP' })
      .waitFor({ timeout: soon });
    await host
      .getByRole('alert')
      .filter({ hasText: 'this computer lets Porch use no UDP' })
      .waitFor({ timeout: soon });
    await host
      .getByRole('group', { name: 'Ada' })
      .getByText('No sound or picture gets through')
      .waitFor();
    // Words go on.
    await ada.getByRole('button', { name: 'Chat', exact: true }).click();
    await ada.getByRole('textbox', { name: 'Message' }).fill('I don’t hear you');
    await ada.getByRole('textbox', { name: 'Message' }).press('Enter');
    await host.getByText('I don’t hear you').first().waitFor();
  });
});

describe('at the door', () => {
  let dir: string;
  let processes: Processes;
  let address: string;
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'porch-environment-'));
    processes = new Processes(dir, process.env);
    address = (await hosting('ask')).address;
  });
  afterAll(async () => {
    await processes?.stopAll();
    rmSync(dir, { recursive: true, force: true });
  });

  async function hosting(admit: string): Promise<{ started: Started; address: string }> {
    const started = processes.start(
      'porch-headless',
      join(root, 'build', 'bin', 'porch-headless'),
      ['-host', 'Sam', '-listen', `127.0.0.1:${await freePort()}`, '-admit', admit],
      { PORCH_DATA_DIR: mkdtempSync(join(dir, 'data-')), PORCH_CAPTURE: 'synthetic' },
    );
    const link = await until('there is a link', () => events(started).find((e) => e.link)?.link);
    return { started, address: link };
  }

  const events = (started: Started): { event: string; link?: string }[] =>
    logOf(started)
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line));

  const agents = {
    instagram:
      'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/22B83 Instagram 356.0.0.36.98 (iPhone15,2; iOS 18_1; en_US)',
    facebook:
      'Mozilla/5.0 (Linux; Android 14; Pixel 8 Build/AP1A; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/131.0.0.0 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/489.0.0.66.81;]',
    line: 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Safari Line/14.19.0',
    gmail:
      'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148',
  };

  /** Opens the link in a browser that a script has changed first. */
  async function opened(
    change: string,
    options: Parameters<Browser['newContext']>[0] = {},
  ): Promise<Page> {
    const page = await chromiumPage(chromium, options);
    await page.context().addInitScript(change);
    await page.goto(address);
    return page;
  }

  const refuses = `navigator.mediaDevices.getUserMedia = async () => {
    throw new DOMException('Permission denied', 'NotAllowedError');
  };`;
  const cannotAsk = `Object.defineProperty(navigator, 'mediaDevices', { value: undefined });`;
  const without = 'delete window.RTCPeerConnection;';

  test.each([
    ['instagram', refuses],
    ['facebook', refuses],
    ['line', cannotAsk],
    ['gmail', cannotAsk],
  ] as const)(
    '%s’s browser gives no devices: the way out of it is said, with the address',
    async (app, change) => {
      const page = await opened(change, {
        userAgent: agents[app],
        permissions: ['clipboard-read', 'clipboard-write'],
      });
      await page.getByText('Open this link in your browser').waitFor({ timeout: soon });
      const field = page.getByRole('textbox', { name: 'Address' });
      expect(await field.inputValue()).toBe(address);
      expect(
        await page.getByText(/beside the address|Website Settings|Safari’s menu/).count(),
      ).toBe(0);
      await page.getByText(app === 'facebook' ? 'three dots' : 'Open in Safari').waitFor();
      await page.getByRole('button', { name: 'Copy', exact: true }).click();
      await page.getByText('Copied').waitFor();
      expect(await page.evaluate('navigator.clipboard.readText()')).toBe(address);
      // One can join without.
      await page.getByRole('textbox', { name: 'Your name' }).fill('Ada');
      await page.getByRole('button', { name: 'Join', exact: true }).click();
      await page.getByText('Bell rung').first().waitFor();
      await page.context().close();
    },
  );

  test('where nothing can be copied the address stands selected', async () => {
    const page = await opened(
      `${without} document.execCommand = () => false; Object.defineProperty(navigator, 'clipboard', { value: undefined });`,
      { userAgent: agents.instagram },
    );
    await page.getByRole('heading', { name: 'Open this link in your browser' }).waitFor();
    await page.getByRole('button', { name: 'Copy', exact: true }).click();
    await page.getByText('copy it by hand').waitFor();
    expect(await page.evaluate('getSelection().toString()')).toBe(address);
    await page.context().close();
  });

  test('a browser without connections says what forbids them', async () => {
    const page = await opened(without);
    await page
      .getByRole('heading', { name: 'This browser forbids calls' })
      .waitFor({ timeout: soon });
    expect(await page.getByRole('textbox', { name: 'Address' }).inputValue()).toBe(address);
    await page.context().close();
  });

  test('a browser that throws instead of connecting says so, and leaves', async () => {
    const host = await hosting('all');
    const left = () => events(host.started).some(({ event }) => event === 'left');
    const page = await opened(
      `window.RTCPeerConnection = class { constructor() { throw new Error('no'); } };`,
    );
    await askToJoin(page, host.address, 'Bea');
    await page
      .getByRole('heading', { name: 'This browser forbids calls' })
      .waitFor({ timeout: soon });
    await until('Bea has left', left);
    await page.context().close();
  });

  test('without script the page says so', async () => {
    const page = await chromiumPage(chromium, { javaScriptEnabled: false });
    await page.goto(address);
    await page.getByText('It needs JavaScript').waitFor({ timeout: 2_000 });
    expect(await page.locator('#plain p').count()).toBe(10);
    await page.context().close();
  });

  test('a browser that can’t read the script shows what stands in the page', async () => {
    const page = await chromiumPage(chromium);
    await page.route('**/assets/*.js', (route) =>
      route.fulfill({ contentType: 'text/javascript', body: 'const = ;' }),
    );
    await page.goto(address);
    await page.getByText('This page has not started').waitFor({ timeout: soon });
    await page.getByText('ist nicht gestartet').waitFor();
    await page.context().close();
  });

  test.each(['no-preference', 'reduce'] as const)(
    'nothing of it flashes up in others (%s)',
    async (reducedMotion) => {
      const page = await opened(
        `const look = () => {
        const plain = document.getElementById('plain');
        if (plain?.checkVisibility({ visibilityProperty: true })) window.__flashed = true;
        requestAnimationFrame(look);
      };
      look();`,
        { reducedMotion },
      );
      await page.getByText('Sam invites you').waitFor();
      expect(await page.evaluate('window.__flashed')).toBeUndefined();
      await page.context().close();
    },
  );
});
