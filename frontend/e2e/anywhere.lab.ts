// A direct link, from the host's home router to guests in Chromium and Firefox: what each kind of router and line makes of
// it, how long everything takes, and what the host's window says. Prints one table, also as build/lab/anywhere.json.
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Locator, Page } from 'playwright-core';
import type { Browser as FirefoxBrowser, Page as FirefoxPage } from 'puppeteer-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  chromiumPage,
  clockwork,
  evaluate,
  firefoxPage,
  markedAt,
  openChromium,
  pressFirefox,
} from './lab/browsers.js';
import { openFirefoxOn } from './lab/firefoxOn.js';
import { copyAddress, hostPage, letIn, newLink } from './lab/host.js';
import { type App, Lab, root } from './lab/lab.js';
import { type Machine, type Nat, Net, within } from './lab/net.js';
import { type Path, pathOf } from './lab/path.js';
import { logOf, Processes, until } from './lab/processes.js';
import { type Asked, routerOf } from './lab/router.js';
import { table, writeTable } from './lab/table.js';

const page = join(root, 'frontend', 'dist', 'page');
const results = join(root, 'build', 'lab');
const missing =
  (await Net.missing()) || (existsSync(join(page, 'index.html')) ? '' : 'no page: make page');
if (missing) console.log(`skipped: ${missing}`);

const web = 'http://127.0.0.1:8080/porch/';
const hostName = 'Grace';
const homeOutside = '44.128.0.20';
const newOutside = '44.128.0.21';

/** What is known of one row with one browser. */
interface Row {
  case: string;
  browser: string;
  opens: boolean;
  /** From opening the link to Join can be pressed, in milliseconds. */
  toJoin?: number;
  /** From the press on Let in to the first frame of the host drawn, in milliseconds. */
  toFrame?: number;
  way?: string;
  window: string;
  remarks: string[];
}
const rows: Row[] = [];

const asText = () =>
  table([
    ['case', 'browser', 'opens', 'link → Join', 'Let in → frame', 'way', 'the window says', 'remarks'],
    ...rows.map((r) => [
      r.case,
      r.browser,
      r.opens ? 'yes' : 'no',
      r.toJoin === undefined ? '' : `${r.toJoin.toFixed(0)} ms`,
      r.toFrame === undefined ? '' : `${r.toFrame.toFixed(0)} ms`,
      r.way ?? '',
      r.window,
      r.remarks.join('; '),
    ]),
  ]);

type AnyPage = Page | FirefoxPage;

let net: Net;
let dir: string;
let processes: Processes;
let guestNat: Nat;
let guests: Machine;
let chromium: Browser;
let firefox: FirefoxBrowser;
let home: Home | undefined;

interface HomeOptions {
  asked: Asked;
  /** What is between the router and the internet. */
  before?: 'a carrier' | 'a router';
  ipv6?: boolean;
  /** Where the host believes that a port leads here. */
  outer?: string;
}

/** The host's home: its router, the app and its window. */
class Home {
  address = '';
  /** What the window says of the router and of the link's door. */
  says = '';

  private constructor(
    readonly nats: Nat[], // the router is the last
    readonly machine: Machine,
    readonly lab: Lab,
    readonly app: App,
    readonly browser: Browser,
    readonly window: Page,
  ) {}

  private static count = 0;

  static async open(options: HomeOptions): Promise<Home> {
    const n = ++Home.count;
    const inside = `192.168.${100 + n}`;
    const nats: Nat[] = [];
    if (options.before) {
      const between = options.before === 'a carrier' ? '100.64.7' : '192.168.77';
      nats.push(await net.nat(`outer${n}`, { outside: homeOutside, inside: between }));
      nats.push(await net.natBehind(nats[0]!, `router${n}`, { last: 9, inside }));
    } else nats.push(await net.nat(`router${n}`, { outside: homeOutside, inside }));
    const router = nats.at(-1)!;
    await routerOf(net, router, options.asked, processes, dir);
    const machine = await net.behind(router, `host${n}`, 2);
    if (options.ipv6)
      await net.addIPv6({ nat: router, machines: [machine] }, { nat: guestNat, machines: [guests] });
    const lab = await Lab.open({ on: machine });
    const app = await lab.startApp({
      dev: true,
      listen: '0.0.0.0',
      env: { PORCH_PAGE: web, PORCH_OUTER: options.outer ?? '' },
    });
    const browser = await openChromium({ program: net.program(machine, '/usr/bin/chromium'), env: lab.env });
    const window = await hostPage(browser);
    await window.addInitScript(clockwork);
    await window.goto(app.url);
    await window.getByRole('button', { name: 'Create Link' }).waitFor();
    await window.evaluate(`window.go.main.App.SetName(${JSON.stringify(hostName)})`);
    return new Home(nats, machine, lab, app, browser, window);
  }

  async close(): Promise<void> {
    await this.browser.close();
    await this.lab.close();
    for (const nat of this.nats) await net.run(nat, 'ip', 'link', 'del', 'outside').catch(() => '');
  }

  /** Switches the router's switch on, and notes what the window says then. */
  async askRouter(): Promise<string> {
    await this.window.getByRole('button', { name: 'Change who can open links' }).click();
    const sheet = this.window.getByRole('dialog', { name: 'Who can open links' });
    await sheet.getByRole('switch', { name: 'Let my router pass calls in' }).click();
    const line = sheet.getByRole('region', { name: 'Let my router pass calls in' }).getByRole('status');
    const said = await until(
      'the router answers',
      async () => {
        const text = (await line.innerText()).trim();
        return text && !text.startsWith('Asking') ? text : '';
      },
      { within: 40_000 },
    );
    await sheet.getByRole('button', { name: 'Done' }).click();
    this.says = said.replace(/\s+/g, ' ');
    return this.says;
  }

  /** Makes a link with a direct door; its address is "" if no way to it is known. */
  async makeLink(): Promise<void> {
    const sheet = await newLink(this.window, 'Garden party');
    await sheet.getByRole('switch', { name: 'Open from anywhere' }).click();
    await this.readAddress(sheet);
    if (!this.address) {
      const said = await sheet.getByText(/No way to this computer/).innerText();
      this.says = [this.says, said.replace(/\s+/g, ' ')].filter(Boolean).join(' · ');
    }
    await sheet.getByRole('button', { name: 'Done' }).click();
  }

  private async readAddress(sheet: Locator): Promise<void> {
    const direct = sheet.getByRole('radio', { name: 'Directly' });
    const none = sheet.getByText(/No way to this computer/);
    await direct.or(none).waitFor();
    if (await none.isVisible()) return;
    await direct.check();
    this.address = await copyAddress(this.lab, sheet);
  }
}

beforeAll(async () => {
  if (missing) return;
  dir = mkdtempSync(join(tmpdir(), 'porch-anywhere-'));
  net = await Net.open();
  processes = new Processes(dir, process.env);
  guestNat = await net.nat('guest-nat', { outside: '44.128.0.30', inside: '192.168.20' });
  guests = await net.behind(guestNat, 'guests', 2);
  const folder = join(dir, 'web');
  cpSync(page, join(folder, 'porch'), { recursive: true });
  const [enter, ...before] = within(guests);
  const server = join(root, 'frontend', 'e2e', 'lab', 'webspace.mjs');
  const space = processes.start('web', enter, [...before, process.execPath, server, folder, '8080']);
  await until('the web space serves', async () => logOf(space).includes('ready'));
  chromium = await openChromium({ program: net.program(guests, '/usr/bin/chromium') });
  firefox = await openFirefoxOn(net, guests, dir);
});

afterEach(async () => {
  if (missing) return;
  mkdirSync(results, { recursive: true });
  writeFileSync(join(results, 'anywhere.json'), `${JSON.stringify(rows, null, 1)}\n`);
  writeFileSync(join(results, 'anywhere.txt'), asText()); // each time: a run may be ended early
  await home?.close();
  home = undefined;
});

afterAll(async () => {
  if (missing) return;
  console.log(`\n${asText()}`);
  await firefox?.close();
  await chromium?.close();
  await processes?.stopAll();
  await net?.close();
  rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
});

type Kind = 'Chromium' | 'Firefox';
const kinds: Kind[] = ['Chromium', 'Firefox'];

async function newGuest(kind: Kind): Promise<AnyPage> {
  if (kind === 'Chromium') {
    const guest = await chromiumPage(chromium, { viewport: { width: 1000, height: 700 } });
    await guest.addInitScript(clockwork);
    return guest;
  }
  const guest = await firefoxPage(firefox);
  await guest.evaluateOnNewDocument(clockwork);
  return guest;
}

async function press(guest: AnyPage, kind: Kind, name: string): Promise<void> {
  if (kind === 'Firefox') return pressFirefox(guest as FirefoxPage, name);
  await (guest as Page).getByRole('button', { name, exact: true }).click();
}

const shows = (guest: AnyPage, text: string) =>
  evaluate<boolean>(guest, `document.body.innerText.includes(${JSON.stringify(text)})`);

/** Opens the link as a guest, is let in, and notes how it went. The page stays open. */
async function join_(name: string, kind: Kind, row: Row): Promise<AnyPage> {
  const { window, address } = home!;
  const guest = await newGuest(kind);
  const opened = Date.now();
  await guest.goto(address);
  row.toJoin = (await markedAt(guest, 'Join can be pressed')) - opened;
  await evaluate(
    guest,
    `(() => {
      const field = document.querySelector('input');
      field.value = ${JSON.stringify(name)};
      field.dispatchEvent(new Event('input', { bubbles: true }));
    })()`,
  );
  await press(guest, kind, 'Join');
  await window.getByRole('button', { name: `Let in ${name}` }).first().waitFor();
  await letIn(window, name);
  const pressed = await markedAt(window, `pressed Let in ${name}`);
  row.toFrame = (await markedAt(guest, `drawn ${hostName}`, 60_000)) - pressed;
  const path = await until<Path | undefined>('a way is chosen', () => pathOf(guest));
  row.way = `direct, ${path.remote.protocol}, ${path.remote.type}`;
  row.opens = true;
  return guest;
}

function newRow(name: string, browser: string): Row {
  const row: Row = { case: name, browser, opens: false, window: home?.says ?? '', remarks: [] };
  rows.push(row);
  return row;
}

describe.skipIf(missing !== '')('a direct link', () => {
  const open: { name: string; options: HomeOptions; says: RegExp; noUDP?: boolean; over?: string }[] = [
    { name: 'mapped by UPnP', options: { asked: 'UPnP' }, says: /^Your router lets calls in/ },
    { name: 'mapped by NAT-PMP', options: { asked: 'NAT-PMP' }, says: /^Your router lets calls in/ },
    { name: 'mapped by PCP', options: { asked: 'PCP' }, says: /^Your router lets calls in/ },
    {
      name: 'IPv6 pinhole, carrier NAT',
      options: { asked: 'PCP', before: 'a carrier', ipv6: true },
      says: /IPv6/,
    },
    {
      name: 'UDP blocked at the guest',
      options: { asked: 'PCP' },
      says: /^Your router lets calls in/,
      noUDP: true,
      over: 'tcp',
    },
  ];
  for (const { name, options, says, noUDP, over = 'udp' } of open)
    test(name, async () => {
      home = await Home.open(options);
      expect(await home.askRouter()).toMatch(says);
      await home.makeLink();
      expect(home.address.length).toBeLessThanOrEqual(220);
      const rule = ['FORWARD', '-i', 'inside', '-o', 'outside', '-p', 'udp', '-j', 'DROP'];
      if (noUDP) await net.run(guestNat, 'iptables', '-I', ...rule);
      try {
        for (const kind of kinds) {
          const row = newRow(name, kind);
          const guest = await join_(kind === 'Chromium' ? 'Ada' : 'Carl', kind, row);
          expect(row.way).toContain(over);
          row.remarks.push(`${home.address.length} characters`);
          await guest.close();
        }
      } finally {
        if (noUDP) await net.run(guestNat, 'iptables', '-D', ...rule);
      }
    });

  const shut: { name: string; options: HomeOptions; says: RegExp }[] = [
    { name: 'refusal (FRITZ!Box-like)', options: { asked: 'refuses' }, says: /Your router refuses/ },
    { name: 'carrier NAT', options: { asked: 'PCP', before: 'a carrier' }, says: /carrier NAT/ },
    { name: 'two routers', options: { asked: 'PCP', before: 'a router' }, says: /Two routers/ },
    { name: 'cone without mapping', options: { asked: 'not at all' }, says: /No router answers/ },
  ];
  for (const { name, options, says } of shut)
    test(name, async () => {
      home = await Home.open(options);
      expect(await home.askRouter()).toMatch(says);
      await home.makeLink();
      expect(home.address).toBe('');
      newRow(name, 'any').remarks.push('no link is made that leads nowhere');
    });

  test('a port that the host forwarded by hand, and that is not there', async () => {
    home = await Home.open({ asked: 'not at all', outer: `${homeOutside}:40000` });
    await home.makeLink();
    for (const kind of kinds) {
      const row = newRow('cone, told that a port is forwarded', kind);
      const guest = await newGuest(kind);
      const opened = Date.now();
      await guest.goto(home.address);
      await until('the page says so', () => shows(guest, 'can’t be reached right now'));
      row.remarks.push(`the page says so after ${Date.now() - opened} ms`);
      await guest.close();
    }
  });
});
