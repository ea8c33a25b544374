// Call details, of the host and of guests in Chromium and in Firefox: what is shown agrees with what the browsers count
// and with what the host's sockets carried, within 5 %. A report names nobody.
import { readFileSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import type { Browser as FirefoxBrowser, Page as FirefoxPage } from 'puppeteer-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  chromiumPage,
  evaluate,
  firefoxPage,
  openChromium,
  openFirefox,
  picturePackets,
  pressFirefox,
} from './lab/browsers.js';
import { controls, knock } from './lab/guest.js';
import { createLink, hostPage, letIn } from './lab/host.js';
import { type App, Lab } from './lab/lab.js';
import { until } from './lab/processes.js';

type AnyPage = Page | FirefoxPage;

/** How far two figures of the same thing may be apart. */
const tolerance = 0.05;

let lab: Lab;
let app: App;
let chromium: Browser;
let firefox: FirefoxBrowser;
let host: Page;
let ada: Page;
let boris: FirefoxPage;
let address: string;

beforeAll(async () => {
  lab = await Lab.open();
  app = await lab.startApp({ dev: true });
  [chromium, firefox] = await Promise.all([openChromium(), openFirefox()]);
  host = await hostPage(chromium);
  ada = await chromiumPage(chromium, {
    viewport: { width: 900, height: 640 },
    acceptDownloads: true,
  });
  boris = await firefoxPage(firefox);
  await host.goto(app.url);
  address = await createLink(lab, host);
  await knock(ada, address, 'Ada');
  await letIn(host, 'Ada');
  await boris.goto(address);
  await boris.locator('aria/Your name[role="textbox"]').fill('Boris');
  await pressFirefox(boris, 'Join');
  await letIn(host, 'Boris');
  await controls(host).waitFor();
  for (const page of [host, ada, boris]) {
    await until('pictures of both others come', async () => (await picturePackets(page)) > 100);
  }
});

afterAll(async () => {
  await chromium?.close();
  await firefox?.close();
  await lab?.close();
});

/** What a page's connection has carried, and when it said so; the window's own goes to no network. */
interface Carried {
  at: number;
  sent: number;
  received: number;
}

/** By the browser's own statistics: datagrams, with the headers of IPv4 and UDP. */
const counted = `(stats) => {
  const sum = (type, field) => stats.filter((s) => s.type === type).reduce((n, s) => n + (s[field] || 0), 0);
  const carrier = stats.some((s) => s.type === 'transport' && s.bytesSent !== undefined) ? 'transport' : 'candidate-pair';
  const packets = (field, rtp) => sum(carrier, field) || sum(rtp, field);
  return {
    sent: sum(carrier, 'bytesSent') + 28 * packets('packetsSent', 'outbound-rtp'),
    received: sum(carrier, 'bytesReceived') + 28 * packets('packetsReceived', 'inbound-rtp'),
  };
}`;
const carriedBy = (page: AnyPage): Promise<Carried> =>
  evaluate(
    page,
    `(async () => {
      const peer = window.__peers.findLast((p) => p.connectionState === 'connected');
      return { at: performance.now(), ...(${counted})([...(await peer.getStats()).values()]) };
    })()`,
  );

/** By the host's sockets, for a guest by name. */
const carriedFor = (name: string): Promise<Carried> =>
  evaluate(
    host,
    `(async () => {
      const { App } = window.go.main;
      const [call] = (await App.Snapshot()).calls;
      const { id } = call.participants.find((p) => p.name === ${JSON.stringify(name)});
      const figures = await App.CallFigures(call.linkId);
      const row = figures.people.find((p) => p.id === id);
      // Seen from the guest.
      return { at: figures.at, sent: row.in.bytes, received: row.out.bytes };
    })()`,
  );

const perSecond = (of: 'sent' | 'received', a: Carried, b: Carried) =>
  ((b[of] - a[of]) / (b.at - a.at)) * 1000;
const apart = (a: number, b: number) => Math.abs(a - b) / Math.max(a, b);

/** Compares two counters over the same interval, until one of a few intervals was quiet enough to be one. */
async function agree(
  what: string,
  one: () => Promise<Carried>,
  other: () => Promise<Carried>,
): Promise<void> {
  let before = await Promise.all([one(), other()]);
  await until(
    `${what} agree`,
    async () => {
      const now = await Promise.all([one(), other()]);
      if (now[0].received - before[0].received < 200_000) return false;
      const off = (['sent', 'received'] as const).map((way) =>
        apart(perSecond(way, before[0], now[0]), perSecond(way, before[1], now[1])),
      );
      console.log(`${what}: ${off.map((part) => `${(100 * part).toFixed(1)} %`).join(', ')} apart`);
      before = now;
      return off.every((part) => part <= tolerance);
    },
    { within: 60_000, every: 250 },
  );
}

/** Keeps what the page's connection says to whoever asks, so that a figure can be compared with what it was made from. */
const overhear = `(() => {
  const peer = window.__peers.findLast((p) => p.connectionState === 'connected');
  const native = peer.getStats.bind(peer);
  window.__looks = [];
  peer.getStats = async () => {
    const report = await native();
    window.__looks.push({ at: performance.now(), ...(${counted})([...report.values()]) });
    return report;
  };
})()`;

/**
 * Whether what the open dialog shows, in bytes a minute, is what went by between two of its own looks, as far apart as it
 * compares them. A look may have come since it was drawn.
 */
const showsWhatItSaw = (page: AnyPage): Promise<boolean> =>
  evaluate(
    page,
    `(() => {
      const units = { kB: 1e3, MB: 1e6, GB: 1e9 };
      const texts = [...document.querySelectorAll('dialog .used dd span')].map((e) => e.textContent);
      const shown = texts.flatMap((text) => {
        const [, n, unit] = /^([0-9.,]+)\\s(kB|MB|GB) a minute$/.exec(text) ?? [];
        return unit ? [{ value: Number(n.replaceAll(',', '')) * units[unit], half: units[unit] * (n.length < 2 || n.includes('.') ? 0.05 : 0.5) }] : [];
      });
      if (shown.length < 2) return false;
      const looks = window.__looks;
      return looks.slice(-4).some((now) => {
        const before = looks.findLast(({ at }) => now.at - at >= 4900);
        return before && ['sent', 'received'].every((way, nth) => {
          const exact = ((now[way] - before[way]) / (now.at - before.at)) * 60_000;
          return Math.abs(shown[nth].value - exact) <= ${tolerance} * exact + shown[nth].half;
        });
      });
    })()`,
  );

test('the host and the guests count the same', async () => {
  await Promise.all([
    agree(
      'the host and Chromium',
      () => carriedFor('Ada'),
      () => carriedBy(ada),
    ),
    agree(
      'the host and Firefox',
      () => carriedFor('Boris'),
      () => carriedBy(boris),
    ),
  ]);
});

test('what Call details shows is what goes by', async () => {
  for (const page of [ada, boris]) await evaluate(page, overhear);
  await ada.getByRole('button', { name: 'Call details' }).click();
  await pressFirefox(boris, 'Call details');
  await Promise.all(
    [ada, boris].map((page) =>
      until('a page shows what its looks saw', () => showsWhatItSaw(page), { within: 60_000 }),
    ),
  );
  const rows = ada.getByRole('dialog', { name: 'Call details' }).getByRole('listitem');
  await rows.filter({ hasText: 'Ada (you)' }).getByText('Direct').waitFor();
  await rows
    .filter({ hasText: 'Boris' })
    .getByText(/\dp,\s\d+\sa\ssecond/)
    .waitFor();
});

test('a report has figures, and names nobody', async () => {
  const dialog = ada.getByRole('dialog', { name: 'Call details' });
  const [download] = await Promise.all([
    ada.waitForEvent('download'),
    dialog.getByRole('button', { name: 'Save report' }).click(),
  ]);
  await dialog.getByRole('status').getByText('Report saved').waitFor();
  const text = readFileSync(await download.path(), 'utf8');
  const report = JSON.parse(text);
  expect(report.bytesReceived).toBeGreaterThan(100_000);
  expect(report.people.map(({ who }: { who: string }) => who).sort()).toEqual([
    'guest 1',
    'host',
    'you',
  ]);
  const ids = await evaluate<string[]>(
    host,
    'window.go.main.App.Snapshot().then((s) => s.calls[0].participants.flatMap((p) => [p.id, p.name]))',
  );
  const [, link, secret] = /\/j\/([^#]+)#(.+)$/.exec(address)!;
  for (const name of [
    ...ids.filter((id) => id !== 'host'),
    link!,
    secret!,
    '127.0.0.1',
    'candidate',
  ]) {
    expect(text).not.toContain(name);
  }
});

test('closed, it costs nothing', async () => {
  const looks = () => evaluate<number>(ada, 'window.__looks.length');
  const open = await looks();
  await until('an open one looks', async () => (await looks()) > open + 1);
  await ada
    .getByRole('dialog', { name: 'Call details' })
    .getByRole('button', { name: 'Close' })
    .click();
  const before = await looks();
  // As long as it takes to look three times.
  const since = Date.now();
  const packets = await picturePackets(boris);
  await until(
    'the call goes on',
    async () => Date.now() - since > 3000 && (await picturePackets(boris)) > packets + 50,
  );
  expect(await looks()).toBeLessThanOrEqual(before + 1); // one may have been under way
});

test('the host sees every person’s line', async () => {
  await host.getByRole('button', { name: 'Call details' }).click();
  const dialog = host.getByRole('dialog', { name: 'Call details' });
  for (const name of ['Ada', 'Boris']) {
    const row = dialog.getByRole('listitem').filter({ hasText: name });
    await row.getByText(/On this computer · round trip/).waitFor();
    await row.getByText(/\d+p,\s\d+\sa\ssecond · [\d.,]+\s[kM]bit\/s · [\d.]+%\slost/).waitFor();
  }
  await host.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
});
