// The guest's page tells the truth: addresses that had a long way, knocks that were too fast, a network that goes deaf, tabs
// that are closed, loaded anew or copied, and what is opened and let go on the way.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumPage, openChromium } from './lab/browsers.js';
import { DeafWay } from './lab/deaf.js';
import { askToJoin, controls } from './lab/guest.js';
import { root } from './lab/lab.js';
import { freePort, logOf, Processes, type Started, until } from './lab/processes.js';

interface Row {
  name: string;
  address: string;
  id?: string;
  secret?: string;
  missing?: 'id' | 'secret' | 'both';
}
const { addresses } = JSON.parse(
  readFileSync(join(root, 'backend/sealed/testdata/addresses.json'), 'utf8'),
) as { addresses: Row[] };

/** The ways of an address that are gone in a browser. */
const seen = [
  '# encoded',
  '# encoded twice',
  'slash before #',
  'slashes encoded twice',
  'bracket behind',
  'utm behind the secret',
  'query encoded into the path',
  'soft hyphens encoded',
  'line breaks encoded',
  'no #',
  'no id',
  'neither',
];

/** Keeps what the page opens: devices with their tracks, and wake locks. */
const keepOpened = `(() => {
  const opened = { asked: 0, tracks: [], locks: [] };
  Object.defineProperty(window, '__opened', { value: opened });
  const { mediaDevices } = navigator;
  const native = mediaDevices.getUserMedia.bind(mediaDevices);
  mediaDevices.getUserMedia = async (wanted) => {
    opened.asked++;
    const stream = await native(wanted);
    opened.tracks.push(...stream.getTracks());
    return stream;
  };
  navigator.wakeLock.request = async () => {
    const lock = { held: true, release: async () => { lock.held = false; } };
    opened.locks.push(lock);
    return lock;
  };
})();`;

/** Puts one text in the place of another, also where only a piece of it stands. */
function inPlaceOf(text: string, from: string, to: string): string {
  // What is put in is marked, so that it is not taken for a piece.
  for (let length = from.length; length > 2; length--) {
    for (let at = 0; at + length <= from.length; at++) {
      const marked = [...from.slice(at, at + length)].map((_, i) =>
        String.fromCharCode(0xe000 + at + i),
      );
      text = text.replaceAll(from.slice(at, at + length), marked.join(''));
    }
  }
  return text.replaceAll(/[\ue000-\ue0ff]/g, (mark) => to[mark.charCodeAt(0) - 0xe000]!);
}

let dir: string;
let processes: Processes;
let chromium: Browser;
const ways: DeafWay[] = [];

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'porch-door-'));
  processes = new Processes(dir, process.env);
  chromium = await openChromium();
});

afterAll(async () => {
  await chromium?.close();
  for (const way of ways) way.close();
  await processes?.stopAll();
  rmSync(dir, { recursive: true, force: true });
});

interface HostApp {
  started: Started;
  address: string;
  way: DeafWay;
}

/** Starts an app without a window, whose links are reached by a way that can go deaf. */
async function hosting(...args: string[]): Promise<HostApp> {
  const port = await freePort();
  const started = processes.start(
    'porch-headless',
    join(root, 'build', 'bin', 'porch-headless'),
    ['-v', '-host', 'Sam', '-listen', `127.0.0.1:${port}`, ...args],
    { PORCH_DATA_DIR: mkdtempSync(join(dir, 'data-')), PORCH_CAPTURE: 'synthetic' },
  );
  const link = await until('there is a link', () =>
    events(started).find(({ event }) => event === 'link'),
  );
  const way = await DeafWay.to(port);
  ways.push(way);
  return { started, address: link.link!.replace(String(port), String(way.port)), way };
}

function events(started: Started): { event: string; link?: string; name?: string }[] {
  return logOf(started)
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));
}

const times = (host: HostApp, event: string): number =>
  events(host.started).filter((e) => e.event === event).length;

async function newPage(): Promise<Page> {
  const page = await chromiumPage(chromium, { viewport: { width: 900, height: 640 } });
  await page.context().addInitScript(keepOpened);
  return page;
}

const opened = (page: Page): Promise<{ asked: number; live: number; awake: number }> =>
  page.evaluate(`({
    asked: window.__opened.asked,
    live: window.__opened.tracks.filter((track) => track.readyState === 'live').length,
    awake: window.__opened.locks.filter((lock) => lock.held).length,
  })`);

describe('at the door', () => {
  let host: HostApp;
  beforeAll(async () => {
    host = await hosting('-admit', 'ask');
  });

  test('an address leads to the door whatever its way has made of it', async () => {
    const page = await newPage();
    const { origin, pathname, hash } = new URL(host.address);
    const [id, secret] = [pathname.slice(3), hash.slice(1)];
    // The others are read by the unit tests of both languages.
    const mine = addresses.filter(({ name }) => seen.includes(name));
    expect(mine).toHaveLength(seen.length);
    for (const row of mine) {
      const { protocol, host: at } = new URL(row.address);
      const made = row.address.slice(`${protocol}//${at}`.length);
      const rest = inPlaceOf(inPlaceOf(made, addresses[0]!.id!, id), addresses[0]!.secret!, secret);
      await page.goto('about:blank');
      await page.goto(origin + rest);
      if (row.missing) {
        const part = { id: 'The middle', secret: 'The end', both: 'Part' }[row.missing];
        const text = page.getByText(`${part} of the address is missing`);
        await text.waitFor({ timeout: 10_000 }).catch(() => expect.fail(`not said: ${row.name}`));
        expect((await opened(page)).asked, row.name).toBe(0);
      } else {
        const text = page.getByText('Sam invites you');
        await text.waitFor({ timeout: 10_000 }).catch(() => expect.fail(`no door: ${row.name}`));
        const { pathname: path, hash: fragment } = new URL(page.url());
        expect(path.startsWith(`/j/${id}`) && fragment.startsWith('#'), row.name).toBe(true);
        expect(path, row.name).not.toContain(secret);
      }
    }
    expect(logOf(host.started).replaceAll(/^\{.*$/gm, '')).not.toContain(secret);
    await page.context().close();
  });

  test('the missing part may be put behind', async () => {
    const page = await newPage();
    const [before, secret] = host.address.split('#') as [string, string];
    await page.goto(before);
    await page.getByText('This link is incomplete').waitFor();
    await page.evaluate((hash) => {
      location.hash = hash;
    }, secret);
    await page.getByText('Sam invites you').waitFor();
    await page.context().close();
  });

  test('who rings too often is told so, and rings again by itself', async () => {
    const page = await newPage();
    await askToJoin(page, host.address, 'Ada');
    expect(await opened(page)).toMatchObject({ live: 2 });
    await page.getByText('Bell rung').first().waitFor();
    await until('the screen stays awake', async () => (await opened(page)).awake === 1);
    const leave = page.getByRole('button', { name: 'Leave', exact: true });
    const join = page.getByRole('button', { name: 'Join', exact: true });
    const often = page.getByText('That was too often');
    for (let i = 0; i < 12 && !(await often.count()); i++) {
      await leave.click();
      expect((await opened(page)).awake).toBe(0);
      await join.click();
      await page.getByText('Bell rung').or(often).first().waitFor();
    }
    await often.first().waitFor();
    expect(await page.getByText('Bell rung').count()).toBe(0);
    await page.getByText('Bell rung').first().waitFor({ timeout: 30_000 });
    await page.context().close();
  });

  test('while the network is deaf nobody says that the bell was rung', async () => {
    const page = await newPage();
    await askToJoin(page, host.address, 'Bea');
    await page.getByText('Bell rung').first().waitFor();
    host.way.deaf = true;
    await page.evaluate("dispatchEvent(new Event('offline'))");
    await page.getByText('can’t be reached').first().waitFor({ timeout: 8_000 });
    expect(await page.getByText('Bell rung').count()).toBe(0);
    host.way.deaf = false;
    await page.getByText('Bell rung').first().waitFor({ timeout: 30_000 });
    await page.context().close();
  });
});

describe('in the call', () => {
  let host: HostApp;
  let ada: Page;
  let bea: Page;
  beforeAll(async () => {
    host = await hosting('-admit', 'all');
    [ada, bea] = [await newPage(), await newPage()];
    await askToJoin(ada, host.address, 'Ada');
    await controls(ada).waitFor();
    await askToJoin(bea, host.address, 'Bea');
    await controls(bea).waitFor();
  });

  test('a network that goes deaf is noticed, and what was typed is said once', async () => {
    await ada.getByRole('button', { name: 'Chat', exact: true }).click();
    const message = ada.getByRole('textbox', { name: 'Message' });
    const says = async (text: string) => {
      await message.fill(text);
      await message.press('Enter');
    };
    await says('before');
    await bea.getByRole('button', { name: 'Chat', exact: true }).click();
    await bea.getByRole('log').getByText('before').waitFor();
    host.way.deaf = true;
    await says('swallowed');
    const since = Date.now();
    await ada.getByText('Sent as soon as the connection is back').waitFor({ timeout: 5_000 });
    const { begun } = host.way;
    await until('the pages notice', () => host.way.begun > begun, { within: 25_000 });
    expect(Date.now() - since).toBeLessThan(20_000);
    host.way.deaf = false;
    await bea.getByRole('log').getByText('swallowed').waitFor({ timeout: 30_000 });
    await ada.getByText('Sent as soon as').waitFor({ state: 'detached' });
    await says('after');
    await bea.getByRole('log').getByText('after').waitFor();
    for (const page of [ada, bea])
      expect(await page.getByRole('log').getByText('swallowed', { exact: true }).count()).toBe(1);
    expect(times(host, 'left')).toBe(0);
  });

  test('it is noticed at once when the browser says that something has changed', async () => {
    host.way.deaf = true;
    const { begun } = host.way;
    await ada.evaluate("dispatchEvent(new Event('online'))");
    await until('Ada’s page tries anew', () => host.way.begun > begun, { within: 8_000 });
    host.way.deaf = false;
    await ada.getByText('Reconnecting…').first().waitFor({ state: 'detached' });
  });

  test('a page that is loaded anew keeps its seat', async () => {
    const admitted = times(host, 'admitted');
    await ada.reload();
    await controls(ada).waitFor();
    expect(times(host, 'left')).toBe(0);
    expect(times(host, 'admitted')).toBe(admitted);
  });

  test('a copied tab gives the seat back', async () => {
    const [copy] = await Promise.all([
      ada.waitForEvent('popup'),
      ada.evaluate('void window.open(location.href)'),
    ]);
    await controls(copy).waitFor();
    await ada.getByText('You’re here in another tab').waitFor();
    expect(await opened(ada)).toMatchObject({ live: 0, awake: 0 });
    await copy.close({ runBeforeUnload: true });
    await controls(ada).waitFor();
    await until('Ada’s camera is back', async () => (await opened(ada)).live === 2);
    expect(times(host, 'left')).toBe(0);
  });

  test('who leaves lets go of camera, microphone and screen', async () => {
    expect(await opened(bea)).toMatchObject({ live: 2, awake: 1 });
    await bea.evaluate("dispatchEvent(new PageTransitionEvent('pagehide'))");
    await until('all is let go', async () => (await opened(bea)).live === 0);
    await until('Bea is back', async () => (await opened(bea)).live === 2);
    await controls(bea).getByRole('button', { name: 'Leave', exact: true }).click();
    await bea.getByText('You left the call').waitFor();
    expect(await opened(bea)).toMatchObject({ live: 0, awake: 0 });
  });

  test('a closed tab leaves within 15 s', async () => {
    const left = times(host, 'left');
    const since = Date.now();
    await ada.close({ runBeforeUnload: true });
    await until('Ada has left', () => times(host, 'left') > left, { within: 20_000 });
    expect(Date.now() - since).toBeLessThan(15_000);
  });
});
