// A direct link, from the host's home router to guests in Chromium and Firefox: what each kind of router and line makes of
// it, how long everything takes, and what the host's window says. Prints one table, also as build/lab/anywhere.json.
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Locator, Page } from 'playwright-core';
import type { Browser as FirefoxBrowser, Page as FirefoxPage } from 'puppeteer-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  type AnyPage,
  chromiumPage,
  clockwork,
  evaluate,
  firefoxPage,
  markedAt,
  openChromium,
  pressFirefox,
  typeName,
} from './lab/browsers.js';
import { openFirefoxOn } from './lab/firefoxOn.js';
import { copyAddress, hostPage, letIn, newLink, openDetails, removeLink } from './lab/host.js';
import { type App, Lab, root } from './lab/lab.js';
import { type Machine, type Nat, Net, within } from './lab/net.js';
import { type Path, pathOf } from './lab/path.js';
import { logOf, Processes, until } from './lab/processes.js';
import { blocksOf, press as readmePress, steps } from './lab/readme.js';
import { type Asked, renumberRouter, routerOf } from './lab/router.js';
import { table } from './lab/table.js';

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
  /** From opening the link to its name is shown, which the host's app has sent, in milliseconds. */
  toName?: number;
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
    [
      'case',
      'browser',
      'opens',
      'link → name',
      'link → Join',
      'Let in → frame',
      'way',
      'the window says',
      'remarks',
    ],
    ...rows.map((r) => [
      r.case,
      r.browser,
      r.opens ? 'yes' : 'no',
      ...[r.toName, r.toJoin, r.toFrame].map((t) => (t === undefined ? '' : `${t.toFixed(0)} ms`)),
      r.way ?? '',
      r.window,
      r.remarks.join('; '),
    ]),
  ]);

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
    private app: App,
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
      await net.addIPv6(
        { nat: router, machines: [machine], carrier: nats.at(-2) },
        { nat: guestNat, machines: [guests] },
      );
    await net.forgetNeighbours(); // the router before had the same address
    const lab = await Lab.open({ on: machine });
    const app = await lab.startApp({
      dev: true,
      listen: '0.0.0.0',
      env: { PORCH_PAGE: web, PORCH_OUTER: options.outer ?? '' },
    });
    const browser = await openChromium({
      program: net.program(machine, '/usr/bin/chromium'),
      env: { ...lab.env, HOME: dir }, // it writes on when it is closed, and the lab's folder goes with the lab
    });
    const window = await hostPage(browser);
    await window.addInitScript(clockwork);
    await window.goto(app.url);
    await window.getByRole('button', { name: 'Create Link' }).waitFor();
    await window.evaluate(`window.go.main.App.SetName(${JSON.stringify(hostName)})`);
    return new Home(nats, machine, lab, app, browser, window);
  }

  /** What the router has opened, and the end of what the app says. */
  async logs(): Promise<string> {
    const rules = await net.run(this.router, 'nft', 'list', 'ruleset');
    const addresses = await net.run(this.machine, 'ip', 'addr');
    return `${rules}\n${addresses}\n${logOf(this.app.started).slice(-4_000)}`;
  }

  get router(): Nat {
    return this.nats.at(-1)!;
  }

  /** Ends the app as a crash does, without a word to anybody. */
  async kill(): Promise<void> {
    await this.app.started.stop('SIGKILL');
  }

  /** Starts the app again, on the data that it has left behind. */
  async startAgain(): Promise<void> {
    const { data, relayPort } = this.app;
    this.app = await this.lab.startApp({
      dev: true,
      listen: '0.0.0.0',
      data,
      relayPort,
      env: { PORCH_PAGE: web },
    });
    await this.window.goto(this.app.url);
    await this.window.getByRole('button', { name: 'Create Link' }).waitFor();
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
    const line = sheet
      .getByRole('region', { name: 'Let my router pass calls in' })
      .getByRole('status');
    const said = await until(
      'the router answers',
      async () => {
        const text = ((await line.textContent()) ?? '').trim();
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
      const said =
        (await sheet.getByRole('status').filter({ hasText: 'No way' }).textContent()) ?? '';
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
    // A router is asked for TCP once there is a door, and the address says so as soon as it has answered.
    await until('the address says TCP', async () => {
      const entry = Buffer.from(
        ((await sheet.locator('.address').textContent()) ?? '').split('.').at(-1)!,
        'base64url',
      );
      return entry[32]! & 2;
    });
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
  const space = processes.start('web', enter, [
    ...before,
    process.execPath,
    server,
    folder,
    '8080',
  ]);
  await until('the web space serves', async () => logOf(space).includes('ready'));
  chromium = await openChromium({ program: net.program(guests, '/usr/bin/chromium') });
  firefox = await openFirefoxOn(net, guests, dir);
});

afterEach(async ({ task }) => {
  if (missing) return;
  if (home && task.result?.state === 'fail')
    console.log(await home.logs().catch((error) => String(error)));
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
async function enter(
  name: string,
  kind: Kind,
  row: Row,
  linkName = 'Garden party',
): Promise<AnyPage> {
  const { window, address } = home!;
  const guest = await newGuest(kind);
  const opened = Date.now();
  await guest.goto(address);
  await until('the door opens', () => shows(guest, linkName || hostName), {
    within: 30_000,
    every: 10,
  });
  row.toName = Date.now() - opened;
  row.toJoin = (await markedAt(guest, 'Join can be pressed')) - opened;
  await typeName(guest, name);
  await press(guest, kind, 'Join');
  await window
    .getByRole('button', { name: `Let in ${name}` })
    .first()
    .waitFor();
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
  test('what the README says first ends in a call', async () => {
    const [onWeb = '', inPorch = '', create = ''] = steps('With nothing but your router');
    expect(onWeb).toContain('`make page`'); // as make lab has done
    expect(blocksOf(onWeb)).toEqual([expect.stringMatching(/^PORCH_PAGE=https:\S+ porch$/)]);
    home = await Home.open({ asked: 'UPnP' }); // starts Porch with our web space for PORCH_PAGE
    const { window, lab } = home;
    await readmePress(window, inPorch);
    expect(create).toContain('**Create Link**, **Open from anywhere**, **Copy**');
    const [before = '', after = ''] = create.split('**Copy**');
    await readmePress(window, before);
    await window.getByRole('radio', { name: 'Directly' }).waitFor();
    await lab.clearClipboard();
    await readmePress(window, '**Copy**');
    home.address = await until('the address is copied', async () => (await lab.clipboard()).trim());
    expect(home.address.startsWith(`${web}#d1.`)).toBe(true);
    await readmePress(window, after.split(', and')[0]!);
    const row = newRow('the README’s steps', 'Chromium');
    await (await enter('Ada', 'Chromium', row, '')).close();
  });

  const open: {
    name: string;
    options: HomeOptions;
    says: RegExp;
    noUDP?: boolean;
    over?: string;
  }[] = [
    { name: 'mapped by UPnP', options: { asked: 'UPnP' }, says: /^Your router lets calls in$/ },
    {
      name: 'mapped by NAT-PMP',
      options: { asked: 'NAT-PMP' },
      says: /^Your router lets calls in$/,
    },
    { name: 'mapped by PCP', options: { asked: 'PCP' }, says: /^Your router lets calls in$/ },
    {
      name: 'IPv6 pinhole, carrier NAT',
      options: { asked: 'PCP', before: 'a carrier', ipv6: true },
      says: /^Your router lets calls in over IPv6/,
    },
    {
      name: 'the first way is dead, IPv6 is not',
      options: { asked: 'PCP', before: 'a carrier', ipv6: true, outer: '44.128.0.99:40000' },
      says: /^Your router lets calls in over IPv6/,
    },
    {
      name: 'UDP blocked at the guest',
      options: { asked: 'PCP' },
      says: /^Your router lets calls in$/,
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
          const guest = await enter(kind === 'Chromium' ? 'Ada' : 'Carl', kind, row);
          expect(row.way).toContain(over);
          row.remarks.push(`${home.address.length} characters`);
          await guest.close();
        }
      } finally {
        if (noUDP) await net.run(guestNat, 'iptables', '-D', ...rule);
      }
    });

  const shut: { name: string; options: HomeOptions; says: RegExp }[] = [
    {
      name: 'refusal (FRITZ!Box-like)',
      options: { asked: 'refuses' },
      says: /Your router refuses/,
    },
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

  for (const kind of kinds)
    test(`the address changes in mid-call, ${kind}`, async () => {
      home = await Home.open({ asked: 'PCP' });
      await home.askRouter();
      await home.makeLink();
      const name = kind === 'Chromium' ? 'Ada' : 'Carl';
      const row = newRow('the address changes in mid-call', kind);
      const guest = await enter(name, kind, row);
      const changed = Date.now();
      await renumberRouter(net, home.router, newOutside, dir);
      await until('the guest’s page says so', () => shows(guest, 'Connection lost'), {
        within: 60_000,
      });
      row.remarks.push(`the guest’s page says so after ${Date.now() - changed} ms`);
      const away = await newGuest(kind);
      await away.goto(home.address);
      await until('the page says what may help', () => shows(away, 'you need the link anew'));
      await away.close();
      await guest.close();
    });

  for (const kind of kinds)
    test(`the address changes between calls, ${kind}`, async () => {
      home = await Home.open({ asked: 'PCP' });
      await home.askRouter();
      await home.makeLink();
      const changed = Date.now();
      await renumberRouter(net, home.router, newOutside, dir);
      const sheet = await openDetails(home.window);
      const stale = sheet.getByText('Your internet address has changed');
      await stale.waitFor();
      home.says = 'Your internet address has changed · Copy again';
      const row = newRow('the address changes between calls', kind);
      row.remarks.push(`the window says so after ${Date.now() - changed} ms`);
      const old = home.address;
      await home.lab.clearClipboard();
      await sheet.getByRole('button', { name: 'Copy again' }).click();
      home.address = await until('the address is copied', async () =>
        (await home!.lab.clipboard()).trim(),
      );
      expect(home.address).not.toBe(old);
      await stale.waitFor({ state: 'detached' });
      await sheet.getByRole('button', { name: 'Done' }).click();
      await (await enter(kind === 'Chromium' ? 'Ada' : 'Carl', kind, row)).close();
    });

  for (const kind of kinds)
    test(`the app is killed with a mapping open, ${kind}`, async () => {
      home = await Home.open({ asked: 'PCP' });
      await home.askRouter();
      await home.makeLink();
      const name = kind === 'Chromium' ? 'Ada' : 'Carl';
      const row = newRow('the app is killed with a mapping open', kind);
      const guest = await enter(name, kind, row);
      const killed = Date.now();
      await home.kill();
      await until('the guest’s page says so', () => shows(guest, 'Connection lost'), {
        within: 60_000,
      });
      row.remarks.push(`the guest’s page says so after ${Date.now() - killed} ms`);
      const begun = Date.now();
      await home.startAgain();
      await home.window
        .getByRole('button', { name: `Let in ${name}` })
        .first()
        .waitFor();
      row.remarks.push(
        `its guest knocks again by itself ${Date.now() - begun} ms after the app was started`,
      );
      await letIn(home.window, name);
      await until('the guest is in again', () => shows(guest, hostName));
      const again = await newGuest(kind);
      await again.goto(home.address);
      await until('the same link opens', () => shows(again, 'Garden party'));
      await again.close();
      await guest.close();
      row.remarks.push('the link is the same');
    });

  test('a guest in the same house, whose router turns nobody back', async () => {
    home = await Home.open({ asked: 'PCP' });
    await home.askRouter();
    await home.makeLink();
    const sister = await net.behind(home.router, 'sister', 7);
    const browser = await openChromium({ program: net.program(sister, '/usr/bin/chromium') });
    try {
      const [run, ...before] = within(sister);
      const server = join(root, 'frontend', 'e2e', 'lab', 'webspace.mjs');
      const space = processes.start('web', run, [
        ...before,
        process.execPath,
        server,
        join(dir, 'web'),
        '8080',
      ]);
      await until('the web space serves', async () => logOf(space).includes('ready'));
      const guest = await chromiumPage(browser, { ignoreHTTPSErrors: true });
      await guest.goto(home.address);
      await guest.getByText('This link can’t be reached right now').waitFor();
      await guest.getByText('ask for the link for that network').waitFor();
      const sheet = await openDetails(home.window);
      await sheet.getByRole('radio', { name: 'This network' }).check();
      await guest.goto(await copyAddress(home.lab, sheet));
      await guest.getByText('Garden party').first().waitFor();
      newRow('hairpin refused', 'Chromium').remarks.push(
        'the page says that the network’s link is needed, and that opens',
      );
    } finally {
      await browser.close();
    }
  });

  test('an old page, a newer link, a removed link, and the QR code', async () => {
    home = await Home.open({ asked: 'PCP' });
    await home.askRouter();
    await home.makeLink();
    const sheet = await openDetails(home.window);
    await sheet.getByRole('radio', { name: 'Directly' }).check();
    const picture = join(dir, 'qr.png');
    await until('the QR code can be read', async () => {
      await sheet.getByRole('img', { name: /QR/ }).screenshot({ path: picture });
      const read = await home!.lab.run('zbarimg', '--quiet', '--raw', picture).catch(() => '');
      return read.trim() === home!.address;
    });
    await sheet.getByRole('button', { name: 'Done' }).click();

    const old = await chromiumPage(chromium);
    await old.addInitScript(`{
      const native = RTCDataChannel.prototype.send;
      RTCDataChannel.prototype.send = function (data) {
        native.call(this, typeof data === 'string' ? data.replace('"version":1', '"version":99') : data);
      };
    }`);
    await old.goto(home.address);
    await old.getByText('This page is out of date').waitFor();
    await old.goto('about:blank');
    await old.goto(home.address.replace('#d1.', '#d2.'));
    await old.getByText('This page is out of date').waitFor();
    await old.close();

    for (const kind of kinds) {
      const guest = await newGuest(kind);
      await guest.goto(home.address);
      await until('the door opens', () => shows(guest, 'Garden party'));
      if (kind === kinds.at(-1)) {
        await removeLink(home.window);
        await until('the guest is told', () => shows(guest, 'This link has been removed'));
      }
      await guest.close();
    }
    const late = await chromiumPage(chromium);
    await late.goto(home.address);
    await late.getByText('This link can’t be reached right now').waitFor();
    await late.getByText('it’s no longer in use').waitFor();
    await late.close();
  });

  test('a scan of the port without the link gets not one byte', async () => {
    home = await Home.open({ asked: 'PCP' });
    await home.askRouter();
    await home.makeLink();
    const entry = Buffer.from(home.address.split('.').at(-1)!, 'base64url');
    const port = entry.readUInt16BE(37);
    await net.watch(guestNat, homeOutside);
    const script = join(root, 'frontend', 'e2e', 'lab', 'scan.mjs');
    const said = await net.run(guests, process.execPath, script, homeOutside, String(port));
    const scan = JSON.parse(said) as { udp: number; tcp: number; heard: number; closed: number };
    expect(scan.udp).toBeGreaterThan(20);
    expect(scan.tcp).toBeGreaterThan(5);
    expect(scan.heard).toBe(0);
    expect(scan.closed).toBe(scan.tcp);
    const answers = await net.packetsFrom(guestNat, homeOutside, 'UDP');
    expect(answers).toBe(0);
    newRow('a scan', '').remarks.push(
      `${scan.udp} datagrams and ${scan.tcp} connections: ${scan.heard} bytes came back, ${answers} UDP packets passed`,
    );
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
