// The laboratory's stage: a relay in the public network, the real app behind
// one NAT, a guest's Chromium behind another (or beside the app).
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { acmeName, startAcme } from './acme.js';
import { Authority, trustingHome } from './authority.js';
import { chromiumPage, clockwork, markedAt, openChromium } from './browsers.js';
import { knock } from './guest.js';
import { hostPage } from './host.js';
import { type App, Lab, root } from './lab.js';
import { type Machine, type Mapping, type Nat, Net, type Openness, within } from './net.js';
import { keepTold, type Path, pathOf } from './path.js';
import { Hopeless, logOf, Processes, type Started, until } from './processes.js';

export const domain = 'call.example.org';
/**
 * The public network is a part of AMPRNet that is set aside for tests and routed nowhere. Those of documentation
 * (RFC 5737) won't do: Chromium (Local Network Access) and our TURN take them for no addresses of the internet.
 */
export const relayAddress = '44.128.0.10';
/** The host's name, as guests see it. */
export const hostName = 'Grace Featherstone';
const acmeAddress = '44.128.0.11';
const relayUrl = `https://${domain}`;

/** What is between a machine and the public network. */
export interface Home {
  mapping?: Mapping;
  open?: Openness;
}

export interface SceneOptions {
  host?: Home;
  /** Default: a home of its own, like the host's. */
  guest?: Home | 'with the host';
  /** The host hides its address. */
  relayOnly?: boolean;
  /** Name of the link. */
  linkName?: string;
  /** No public relay: the link lives on the network only. */
  withoutRelay?: boolean;
  /** Commands that make the relay, instead of ours; see {@link Scene.follow}. The app then has a window, and neither a relay nor a link. */
  readme?: string[];
  /** More flags of the guest's Chromium. */
  chromium?: string[];
  /** Permissions of the guest's page. */
  permissions?: string[];
}

/** What became of a guest's way into a call. */
export interface Outcome {
  /** From the press on Let in to the host's first frame drawn at the guest, in milliseconds. */
  firstFrame: number;
  path: Path;
}

const homes = {
  host: { outside: '44.128.0.20', inside: '192.168.10' },
  guest: { outside: '44.128.0.30', inside: '192.168.20' },
  elsewhere: { outside: '44.128.0.40', inside: '192.168.30' },
};

export class Scene {
  private lab: Lab | undefined;
  private browser: Browser | undefined;
  private hostBrowser: Browser | undefined;
  private readonly relays: Started[] = [];
  private processes: Processes | undefined; // in the public network, besides the relay
  private relayProcesses: Processes | undefined;
  private trusted = ''; // PEM file of the authority that everybody trusts
  app!: App;
  net!: Net;
  relayMachine!: Machine;
  hostMachine!: Machine;
  guestMachine!: Machine;
  guest!: Page;
  /** The app's window; with {@link SceneOptions.readme} only. */
  window!: Page;
  /** The address that the guest opens. */
  address = '';

  private constructor(
    readonly dir: string,
    private readonly options: SceneOptions,
  ) {}

  static async open(options: SceneOptions = {}): Promise<Scene> {
    const scene = new Scene(mkdtempSync(join(tmpdir(), 'porch-scene-')), options);
    try {
      await scene.build();
    } catch (error) {
      await scene.close();
      throw error;
    }
    return scene;
  }

  async close(): Promise<void> {
    await this.browser?.close();
    await this.hostBrowser?.close();
    await this.lab?.close();
    await this.relayProcesses?.stopAll();
    await this.processes?.stopAll();
    await this.net?.close();
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 });
  }

  /** The folder in which the relay keeps what it keeps. */
  get relayData(): string {
    return join(this.dir, 'relay');
  }

  get relayPid(): number {
    return this.relays.at(-1)?.child.pid ?? 0;
  }

  /** Everything that the relay has printed, over all its runs. */
  relayLog(): string {
    return this.relays.map(logOf).join('');
  }

  /** The end of every log, for whoever asks why. */
  logs(): string {
    const parts = [`== relay\n${this.relayLog().slice(-4_000)}`];
    for (const name of this.lab ? readdirSync(this.lab.dir) : []) {
      if (!/^porch.*\.log$/.test(name)) continue;
      parts.push(`== ${name}\n${readFileSync(join(this.host.dir, name), 'utf8').slice(-4_000)}`);
    }
    return parts.join('\n');
  }

  /** A guest asks to join on a page, the host presses Let in, and the guest sees the host. */
  async letIn(name: string, page = this.guest): Promise<Outcome> {
    await this.knock(name, page);
    const pressed = await this.host.pressNotification('Let in');
    const drawn = await markedAt(page, `drawn ${hostName}`, 60_000);
    const path = await until('a way is chosen', () => pathOf(page));
    return { firstFrame: drawn - pressed, path };
  }

  /** A guest asks to join, and waits. */
  async knock(name: string, page = this.guest): Promise<void> {
    await knock(page, this.address, name);
  }

  /** A further page of the guest's browser, with nothing of the first. */
  async anotherGuest(): Promise<Page> {
    const page = await chromiumPage(this.browser!, {
      viewport: { width: 1000, height: 700 },
      ignoreHTTPSErrors: this.options.withoutRelay ?? false,
      permissions: this.options.permissions ?? [],
    });
    await page.addInitScript(clockwork);
    await page.addInitScript(keepTold);
    return page;
  }

  private get onRelay(): Processes {
    if (!this.relayProcesses) throw new Error('the relay is not there yet');
    return this.relayProcesses;
  }

  /** The host's computer. */
  get host(): Lab {
    if (!this.lab) throw new Error('the host is not there yet');
    return this.lab;
  }

  /** Starts the relay on its data, as after a restart. */
  async startRelay(): Promise<void> {
    const files = await this.authority.issue(domain);
    const relay = this.onRelay.start('porch-relay', program('porch-relay'), [
      '-domain', domain, '-data', this.relayData,
      '-certificate', files.certificate, '-key', files.key, '-log-level', 'debug',
    ]); // biome-ignore format: one flag beside its value
    await this.awaitRelay(relay);
  }

  /**
   * Runs commands as somebody at the relay's machine types them, one after the
   * other. A program that serves goes on; it is told by its environment what is
   * special about a laboratory: where its certificate authority is.
   */
  private async follow(commands: string[]): Promise<void> {
    const machine = await this.net.server('acme', acmeAddress);
    this.processes = new Processes(this.dir, process.env);
    const acme = await startAcme(this.net, machine, this.processes, this.authority, this.dir);
    this.trusted = acme.signing;
    const environment = {
      PORCH_RELAY_ACME_DIRECTORY: acme.directory,
      PORCH_RELAY_ACME_ROOT: acme.vouching,
      PORCH_RELAY_DATA: this.relayData,
      SSL_CERT_FILE: acme.signing,
      PATH: `${join(root, 'build', 'bin')}:${process.env.PATH}`,
    };
    for (const command of commands) {
      const script = `sudo() { "$@"; }; cd '${root}'; ${command}`;
      const running = this.onRelay.start('porch-relay', 'sh', ['-ec', script], environment);
      if (/porch-relay( -\S+ \S+)* -domain/.test(command)) {
        await this.awaitRelay(running);
        continue;
      }
      const { child } = running;
      if (child.exitCode === null) await once(child, 'exit');
      const code = child.exitCode;
      if (code !== 0) throw new Error(`${command}: ${logOf(running)}`);
    }
  }

  /** Runs a command as the host types it at home, and returns what it printed. */
  async atHome(command: string): Promise<string> {
    const path = `PATH=${join(root, 'build', 'bin')}:${process.env.PATH}`;
    const trust = `SSL_CERT_FILE=${this.trusted}`;
    return this.net.run(this.hostMachine, 'env', path, trust, 'sh', '-ec', command);
  }

  private async awaitRelay(relay: Started): Promise<void> {
    this.relays.push(relay);
    await until('the relay answers', async () => {
      if (relay.child.exitCode !== null) throw new Hopeless(`the relay ended: ${logOf(relay)}`);
      await this.net.run(
        this.relayMachine, 'curl', '--silent', '--fail', '--cacert', this.trusted,
        '--output', '/dev/null', `${relayUrl}/healthz`,
      ); // biome-ignore format: a command line
      return true;
    });
  }

  async stopRelay(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await this.relays.at(-1)?.stop(signal);
  }

  /** Ends the host's app. */
  async stopHost(): Promise<void> {
    await this.app.started.stop();
  }

  /** Takes the host's computer to a third home. */
  async moveHost(): Promise<void> {
    const nat = await this.net.nat('elsewhere', homes.elsewhere);
    this.hostMachine = await this.net.move(this.hostMachine, nat, 5);
  }

  /** Gives the host's computer another address at home. */
  async renumberHost(): Promise<void> {
    this.hostMachine = await this.net.renumber(this.hostMachine, 77);
  }

  private authority!: Authority;

  private async build(): Promise<void> {
    const { options } = this;
    this.authority = await Authority.create(this.dir);
    this.trusted = this.authority.root;
    this.net = await Net.open({ [domain]: relayAddress, [acmeName]: acmeAddress });
    this.relayMachine = await this.net.server('relay', relayAddress);
    const hostNat = await this.net.nat('host-nat', { ...homes.host, ...options.host });
    this.hostMachine = await this.net.behind(hostNat, 'host', 2);
    let guestNat: Nat = hostNat;
    if (options.guest !== 'with the host')
      guestNat = await this.net.nat('guest-nat', { ...homes.guest, ...options.guest });
    this.guestMachine = await this.net.behind(guestNat, 'guest', 3);
    await this.net.watch(guestNat, relayAddress, homes.host.outside);
    mkdirSync(this.relayData, { mode: 0o700 });
    this.relayProcesses = new Processes(
      this.dir,
      { ...process.env, HOME: this.dir },
      within(this.relayMachine),
    );
    if (options.readme) await this.follow(options.readme);
    else if (!options.withoutRelay) await this.startRelay();
    await this.startHost();
    await this.startGuest();
  }

  private async startHost(): Promise<void> {
    const lab = await Lab.open({ notifications: true, on: this.hostMachine });
    this.lab = lab;
    lab.env.SSL_CERT_FILE = this.trusted;
    const data = mkdtempSync(join(lab.dir, 'data-'));
    if (this.options.readme) return this.openWindow(lab, data);
    this.address = await this.makeLink(lab, data);
    this.app = await lab.startApp({ dev: false, data, relayPort: homePort, listen: '0.0.0.0' });
  }

  /** Starts the app as it is on the first day, with a window that a test can press. */
  private async openWindow(lab: Lab, data: string): Promise<void> {
    this.app = await lab.startApp({ dev: true, data, relayPort: homePort, listen: '0.0.0.0' });
    this.hostBrowser = await openChromium({
      program: this.net.program(this.hostMachine, '/usr/bin/chromium'),
      env: lab.env,
    });
    this.window = await hostPage(this.hostBrowser);
    await this.window.goto(this.app.url);
    await this.window.getByRole('button', { name: 'Create Link' }).waitFor();
    await this.window.evaluate(`window.go.main.App.SetName(${JSON.stringify(hostName)})`);
  }

  /** Has porch-headless make a link in the data folder, which the app then finds there. */
  private async makeLink(lab: Lab, data: string): Promise<string> {
    const { linkName, relayOnly, withoutRelay } = this.options;
    const args = ['-listen', `0.0.0.0:${homePort}`, '-host', hostName, '-name', linkName ?? ''];
    if (!withoutRelay) args.push('-relay', relayUrl, `-relay-only=${relayOnly ?? false}`);
    const maker = lab.processes.start('porch-headless', program('porch-headless'), args, {
      PORCH_DATA_DIR: data,
      PORCH_CAPTURE: 'synthetic',
    });
    const wanted = withoutRelay ? 'https://192.168.' : `${relayUrl}/j/`;
    const address = await until('the link is made', () => {
      if (maker.child.exitCode !== null) throw new Hopeless(`no link: ${logOf(maker)}`);
      for (const line of logOf(maker).split('\n')) {
        if (!line.startsWith('{"event":"link"')) continue;
        const { addresses } = JSON.parse(line) as { addresses: { url: string }[] };
        const found = addresses.find(({ url }) => url.startsWith(wanted));
        if (found) return found.url;
      }
      return '';
    });
    await maker.stop('SIGINT');
    return address;
  }

  private async startGuest(): Promise<void> {
    const home = join(this.dir, 'guest');
    mkdirSync(home);
    await trustingHome(home, this.trusted);
    this.browser = await openChromium({
      program: this.net.program(this.guestMachine, '/usr/bin/chromium'),
      env: { ...process.env, HOME: home },
      args: this.options.chromium ?? [],
    });
    this.guest = await this.anotherGuest();
  }
}

const homePort = 7674;

function program(name: string): string {
  const file = join(root, 'build', 'bin', name);
  if (!existsSync(file)) throw new Error(`${file} is missing: make lab builds it`);
  return file;
}
