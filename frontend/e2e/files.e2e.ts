// Pictures and files in the chat: between the host's window, Chromium, Firefox and a phone, in all directions, and what is
// no file that one would like to have.
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import type { Browser as FirefoxBrowser, Page as FirefoxPage } from 'puppeteer-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { seriousOn } from './lab/axe.js';
import {
  chromiumPage,
  evaluate,
  firefoxPage,
  openFirefox,
  pressFirefox,
  soundReceived,
  typeName,
} from './lab/browsers.js';
import { controls, knock } from './lab/guest.js';
import { type AppWindow, createLink, letIn, openAppWindow } from './lab/host.js';
import { until } from './lab/processes.js';

let home: AppWindow;
let host: Page;
let ann: Page;
let phone: Page;
let firefox: FirefoxBrowser;
let boris: FirefoxPage;
const dir = mkdtempSync(join(tmpdir(), 'porch-files-'));

const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const make = (name: string, bytes: Buffer) => {
  const path = join(dir, name);
  writeFileSync(path, bytes);
  return { path, name, digest: digest(bytes) };
};
const log = (page: Page) => page.getByRole('log', { name: 'Chat' });

/** The smallest PNG picture. */
const dot = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

async function attach(page: Page, path: string): Promise<void> {
  const chosen = page.waitForEvent('filechooser');
  await page.getByRole('button', { name: 'Attach file' }).click();
  await (await chosen).setFiles(path);
}

/** Saves a file in Chromium, and returns what the browser has saved. */
async function save(page: Page, name: string): Promise<{ name: string; digest: string }> {
  const download = page.waitForEvent('download');
  await log(page)
    .getByRole('button', { name: `Save ${name}` })
    .last()
    .click();
  const saved = await download;
  const path = await saved.path();
  return { name: saved.suggestedFilename(), digest: digest(readFileSync(path)) };
}

/** What a page of Firefox has saved: its downloads are kept here instead of on disk. */
const keepDownloads = `(() => {
  window.__saved = [];
  const blobs = new Map();
  const make = URL.createObjectURL;
  URL.createObjectURL = (blob) => {
    const url = make.call(URL, blob);
    blobs.set(url, blob);
    return url;
  };
  HTMLAnchorElement.prototype.click = function () {
    const name = this.download;
    blobs.get(this.href).arrayBuffer().then((bytes) => crypto.subtle.digest('SHA-256', bytes))
      .then((sum) => window.__saved.push({ name, digest: Array.from(new Uint8Array(sum), (b) => b.toString(16).padStart(2, '0')).join('') }));
  };
})();`;

beforeAll(async () => {
  home = await openAppWindow();
  ({ host } = home);
  firefox = await openFirefox();
  const address = await createLink(home.lab, host, 'Tea');
  ann = await chromiumPage(home.chromium, { acceptDownloads: true });
  phone = await chromiumPage(home.chromium, {
    viewport: { width: 390, height: 844 },
    hasTouch: true,
    isMobile: true,
    acceptDownloads: true,
  });
  boris = await firefoxPage(firefox);
  await knock(ann, address, 'Ann');
  await letIn(host, 'Ann');
  await controls(ann).waitFor();
  await knock(phone, address, 'Cleo');
  await letIn(host, 'Cleo');
  await controls(phone).waitFor();
  await boris.goto(address);
  await typeName(boris, 'Boris');
  await pressFirefox(boris, 'Join');
  await letIn(host, 'Boris');
  await until('Firefox is in', () =>
    evaluate<boolean>(boris, `document.querySelector('[role=toolbar]') !== null`),
  );
  for (const page of [host, ann, phone])
    await controls(page).getByRole('button', { name: 'Chat' }).click();
  await pressFirefox(boris, 'Chat');
});

afterAll(async () => {
  await firefox?.close();
  await home?.close();
});

test('a guest offers, and whoever presses Save has it: another guest, a phone, the host', async () => {
  const tea = make(
    'tea list.pdf',
    Buffer.concat([Buffer.from('%PDF-1.7\n'), randomBytes(3_200_000)]),
  );
  await attach(ann, tea.path);
  for (const page of [host, phone]) {
    const line = log(page);
    await line.getByText('tea list.pdf').waitFor();
    await line.getByText(/PDF, 3\.2.MB/).waitFor();
  }
  await log(ann).getByRole('button', { name: 'Take back tea list.pdf' }).waitFor();
  expect(await save(phone, 'tea list.pdf')).toEqual({ name: tea.name, digest: tea.digest });
  await log(phone).getByText('Saved in your downloads').waitFor();

  const downloads = join(home.app.data, 'downloads');
  expect(existsSync(downloads)).toBe(false);
  for (const name of ['tea list.pdf', 'tea list (2).pdf']) {
    await log(host).getByRole('button', { name: 'Save tea list.pdf' }).click();
    await log(host).getByText(`Saved in your downloads as ${name}`).waitFor();
    expect(digest(readFileSync(join(downloads, name)))).toBe(tea.digest);
  }
  expect(readdirSync(downloads).length).toBe(2);
});

test('the host offers to Chromium and to Firefox, and Firefox to both', async () => {
  const plan = make('plan.bin', randomBytes(700_000));
  await attach(host, plan.path);
  expect(await save(ann, 'plan.bin')).toEqual({ name: plan.name, digest: plan.digest });
  await evaluate(boris, keepDownloads);
  await pressFirefox(boris, 'Save plan.bin');
  const saved = await until(
    'Firefox has saved it',
    () => evaluate<{ name: string; digest: string } | undefined>(boris, 'window.__saved[0]'),
    { within: 60_000 },
  );
  expect(saved).toEqual({ name: plan.name, digest: plan.digest });

  const song = make('song.ogg', randomBytes(900_000));
  const input = await boris.$('aside input[type=file]');
  await (input as unknown as { uploadFile(path: string): Promise<void> }).uploadFile(song.path);
  expect(await save(ann, 'song.ogg')).toEqual({ name: song.name, digest: song.digest });
  await log(host).getByRole('button', { name: 'Save song.ogg' }).click();
  await log(host).getByText('Saved in your downloads as song.ogg').waitFor();
  expect(digest(readFileSync(join(home.app.data, 'downloads', 'song.ogg')))).toBe(song.digest);
});

test('a picture is seen once it is saved, and what is called one and is none is not', async () => {
  const picture = make('dot.png', dot);
  await attach(ann, picture.path);
  await log(phone).getByText('dot.png').waitFor();
  expect(await log(phone).getByRole('img').count()).toBe(0);
  await save(phone, 'dot.png');
  const shown = log(phone).getByRole('img', { name: 'Picture dot.png' });
  await shown.waitFor();
  await until('it is drawn', () =>
    shown.evaluate((img: HTMLImageElement) => img.naturalWidth === 1),
  );
  await log(host).getByRole('button', { name: 'Save dot.png' }).click();
  await log(host).getByRole('img', { name: 'Picture dot.png' }).waitFor();

  const fake = make(
    'cat.png',
    Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'),
  );
  await attach(ann, fake.path);
  await log(phone).getByRole('button', { name: 'Save cat.png' }).click();
  await log(phone).getByText('Not passed on: it was not what its name and size said').waitFor();
  await log(ann).getByText('Not passed on: it was not what its name and size said').waitFor();
  expect(await log(phone).getByRole('img', { name: 'Picture cat.png' }).count()).toBe(0);
});

test('a program is shown with its whole name, and a warning', async () => {
  const program = make('photo.jpg.exe', Buffer.from('MZ and more'));
  await attach(ann, program.path);
  await log(phone).getByText('photo.jpg.exe').waitFor();
  await log(phone).getByText(/EXE, /).waitFor();
  await log(phone).getByText('Save it only if you trust Ann.', { exact: false }).waitFor();
  await log(ann).getByRole('button', { name: 'Take back photo.jpg.exe' }).click();
  await log(phone).getByText('Taken back').waitFor();
  expect(await log(phone).getByRole('button', { name: 'Save photo.jpg.exe' }).count()).toBe(0);
});

test('what comes can be given up, from the keyboard, and sound goes on beside it', async () => {
  const large = make('large.bin', randomBytes(25_000_000));
  await attach(ann, large.path);
  const button = log(phone).getByRole('button', { name: 'Save large.bin' });
  await button.focus();
  const before = await soundReceived(phone);
  await phone.keyboard.press('Enter');
  await log(phone).getByRole('progressbar', { name: 'large.bin is arriving' }).waitFor();
  await log(phone).getByRole('button', { name: 'Cancel large.bin' }).click();
  await button.waitFor();
  expect(await save(phone, 'large.bin')).toEqual({ name: large.name, digest: large.digest });
  expect(await soundReceived(phone)).toBeGreaterThan(before);

  const huge = make('huge.bin', Buffer.alloc(27_000_000));
  await attach(ann, huge.path);
  await ann.getByText('huge.bin is too large: a file can have up to 25 MB.').waitFor();
});

test('a file is dropped into the call, or pasted', async () => {
  const drop = (page: Page, name: string, kind: string) =>
    page.evaluate(
      ([name, kind]) => {
        const data = new DataTransfer();
        data.items.add(new File(['some words'], name!, { type: 'text/plain' }));
        const where = kind === 'paste' ? document.querySelector('aside textarea')! : document.body;
        const at = (type: string) =>
          where.dispatchEvent(
            type === 'paste'
              ? new ClipboardEvent(type, { clipboardData: data, bubbles: true, cancelable: true })
              : new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }),
          );
        if (kind === 'paste') at('paste');
        else {
          at('dragover');
          at('drop');
        }
      },
      [name, kind],
    );
  await drop(ann, 'dropped.txt', 'drop');
  await log(phone).getByText('dropped.txt').waitFor();
  await drop(ann, 'pasted.txt', 'paste');
  await log(phone).getByText('pasted.txt').waitFor();
});

test('axe has nothing against it, light and dark', async () => {
  for (const page of [host, phone]) {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await seriousOn(page, 'everything')).toEqual([]);
    }
  }
  const [panel] = await phone.getByRole('complementary', { name: 'Chat' }).all();
  expect(await panel!.evaluate((node) => node.scrollWidth <= node.clientWidth)).toBe(true);
});

test('who leaves takes what was offered along', async () => {
  await ann.getByRole('button', { name: 'Leave' }).click();
  await log(phone).getByText('Not offered any more').first().waitFor();
  expect(await log(phone).getByRole('button', { name: 'Save tea list.pdf' }).count()).toBe(0);
});
