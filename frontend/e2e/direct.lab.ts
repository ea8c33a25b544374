// The direct door: a page from a web space that knows nothing connects straight to the host's computer, with nothing
// between them but the internet. Guests sit behind a NAT of their own.
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  chromiumPage,
  evaluate,
  firefoxPage,
  openChromium,
  pictureOf,
  pressFirefox,
  typeName,
} from './lab/browsers.js';
import { openFirefoxOn } from './lab/firefoxOn.js';
import { askToJoin, controls } from './lab/guest.js';
import { root } from './lab/lab.js';
import { type Machine, Net, within } from './lab/net.js';
import { logOf, Processes, type Started, until } from './lab/processes.js';

const page = join(root, 'frontend', 'dist', 'page');
const missing =
  (await Net.missing()) || (existsSync(join(page, 'index.html')) ? '' : 'no page: make page');
if (missing) console.log(`skipped: ${missing}`);

const hostAddress = '44.128.0.20';
const web = 'http://127.0.0.1:8080/porch/';

describe.skipIf(missing !== '')('a direct link', () => {
  const dir = mkdtempSync(join(tmpdir(), 'porch-direct-'));
  let net: Net;
  let hostMachine: Machine;
  let guests: Machine;
  let processes: Processes;
  let chromium: Browser;
  let ada: Page;
  let space: Started;
  let host: Started;
  let address = '';
  const marks: string[] = [];

  /** Starts the app without a window on the host's machine; returns the direct address. */
  async function startHost(): Promise<string> {
    const [enter, ...before] = within(hostMachine);
    const program = join(root, 'build', 'bin', 'porch-headless');
    host = processes.start(
      'host',
      enter,
      [...before, program, '-admit=all', '-door', '-v', '-host', 'Grace', '-name', 'Garden party'],
      { PORCH_PAGE: web, PORCH_DATA_DIR: join(dir, 'data') },
    );
    return until('the host has a direct address', async () => {
      const line = logOf(host)
        .split('\n')
        .find((l) => l.startsWith('{"event":"link"'));
      if (!line) return '';
      const { addresses } = JSON.parse(line) as { addresses: { url: string; door?: boolean }[] };
      return addresses.find(({ door }) => door)?.url ?? '';
    });
  }

  beforeAll(async () => {
    net = await Net.open();
    hostMachine = await net.server('host', hostAddress);
    const nat = await net.nat('homenat', { outside: '44.128.0.30', inside: '192.168.20' });
    guests = await net.behind(nat, 'guests', 2);
    processes = new Processes(dir, process.env);
    const [enter, ...before] = within(guests);
    const server = join(root, 'frontend', 'e2e', 'lab', 'webspace.mjs');
    const folder = join(dir, 'web');
    cpSync(page, join(folder, 'porch'), { recursive: true });
    space = processes.start('web', enter, [...before, process.execPath, server, folder, '8080']);
    await until('the web space serves', async () => logOf(space).includes('ready'));
    address = await startHost();
    chromium = await openChromium({ program: net.program(guests, '/usr/bin/chromium') });
    ada = await chromiumPage(chromium);
  });

  afterAll(async () => {
    console.log(marks.join('\n'));
    await chromium?.close();
    await processes?.stopAll();
    await net?.close();
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  });

  test('opens in Chromium, two guests see each other', async () => {
    expect(address.length).toBeLessThanOrEqual(220);
    marks.push(`the address has ${address.length} characters`);
    const opened = Date.now();
    await ada.goto(address);
    await ada.getByText('Garden party').first().waitFor();
    marks.push(`opening the link → its name is shown: ${Date.now() - opened} ms`);
    await ada.getByRole('textbox', { name: 'Your name' }).fill('Ada');
    await ada.getByRole('button', { name: 'Join', exact: true }).click();
    await controls(ada).waitFor();
    const boris = await chromiumPage(chromium);
    const joined = Date.now();
    await askToJoin(boris, address, 'Boris');
    await until('Boris sees Ada', async () => (await pictureOf(boris, 'Ada')).change > 0.5);
    marks.push(`opening the link → Ada’s picture is on Boris’ screen: ${Date.now() - joined} ms`);
    await until('Ada sees Boris', async () => (await pictureOf(ada, 'Boris')).change > 0.5);
    await boris.close();
  });

  test('a reload comes back without a knock', async () => {
    const before = logOf(host).match(/"event":"knock"/g)?.length ?? 0;
    await ada.reload();
    await controls(ada).waitFor();
    expect(logOf(host).match(/"event":"knock"/g)?.length ?? 0).toBe(before);
  });

  test('the web space learns nothing but that its page was loaded', async () => {
    const log = logOf(space);
    expect(log).toContain('GET /porch/ ');
    const [, id = '', secret = '', door = ''] = address.split('#')[1]!.split('.');
    for (const part of [id, secret, door, hostAddress, 'referer']) expect(log).not.toContain(part);
    for (const line of log.split('\n').filter((l) => l.startsWith('GET ')))
      expect(line).toMatch(/^GET \/porch\/(assets\/[\w.-]+)? /);
  });

  test('mangled addresses open', async () => {
    const guest = await chromiumPage(chromium);
    for (const mangled of [`${address}.`, `${address})`, address.replace('#d1', '#%23d1')]) {
      await guest.goto('about:blank');
      await guest.goto(mangled);
      await guest.getByText('Garden party').first().waitFor();
    }
    await guest.goto('about:blank');
    await guest.goto(address.slice(0, -30));
    await guest.getByText('This link is incomplete').waitFor();
    await guest.close();
  });

  test('opens in Firefox', async () => {
    const firefox = await openFirefoxOn(net, guests, dir);
    const carl = await firefoxPage(firefox);
    const opened = Date.now();
    await carl.goto(address);
    await until('the name is shown', () =>
      evaluate<boolean>(carl, `document.body.innerText.includes('Garden party')`),
    );
    marks.push(`Firefox: opening the link → its name is shown: ${Date.now() - opened} ms`);
    await typeName(carl, 'Carl');
    await pressFirefox(carl, 'Join');
    await until('Carl sees Ada', async () => (await pictureOf(carl, 'Ada')).change > 0.5);
    marks.push(`Firefox: opening the link → Ada’s picture: ${Date.now() - opened} ms`);
    await until('Ada sees Carl', async () => (await pictureOf(ada, 'Carl')).change > 0.5);
    await firefox.close();
  });

  test('the door does not open: the page goes on to the link’s relay', async () => {
    const guest = await chromiumPage(chromium);
    const asked: string[] = [];
    await guest.route('https://call.example.org/**', async (route) => {
      asked.push(route.request().url());
      await route.fulfill({ contentType: 'text/html', body: 'A page of the relay' });
    });
    const [, id = '', secret = '', door = ''] = address.split('#')[1]!.split('.');
    const dead = Buffer.from(door, 'base64url');
    dead[36] = 99; // the last byte of the address
    const next = Buffer.from('call.example.org').toString('base64url');
    const link = [`${web}#d1`, id, secret, dead.toString('base64url'), next].join('.');
    const opened = Date.now();
    await guest.goto(link);
    await guest.getByText('A page of the relay').waitFor();
    marks.push(`a door that does not open → the relay’s page: ${Date.now() - opened} ms`);
    expect(guest.url()).toBe(`https://call.example.org/j/${id}#${secret}`);
    expect(asked.join()).not.toContain(secret);
    await guest.close();
  });

  test('the host’s app ends: the page says so, keeps trying, and comes in again', async () => {
    const guest = await chromiumPage(chromium);
    await host.stop();
    const opened = Date.now();
    await guest.goto(address);
    await guest.getByText('This link can’t be reached right now').waitFor();
    marks.push(
      `opening the link of an app that is off → the page says so: ${Date.now() - opened} ms`,
    );
    const again = await startHost();
    expect(again).toBe(address);
    await guest.getByText('Garden party').first().waitFor();
    await guest.close();
  });
});
