// A laboratory on one machine: a display, a session bus with a notification
// daemon, a sound card of null sinks, and the real app on them.
import { execFile } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Machine, within } from './net.js';
import { freePort, Hopeless, logOf, Processes, type Started, until } from './processes.js';

const run = promisify(execFile);

/** The repository's root. */
export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');

export interface LabOptions {
  /** Size of the display. Default 1280×800. */
  screen?: [number, number];
  /** Start dunst on a private session bus. */
  notifications?: boolean;
  /** Start PulseAudio with a null sink as speaker and another as microphone. */
  sound?: boolean;
  /** Start a window manager. */
  windowManager?: boolean;
  /** The machine that everything runs on. Default this one. */
  on?: Machine;
}

export class Lab {
  private bus: Started | undefined;

  private constructor(
    readonly dir: string,
    readonly processes: Processes,
    private readonly machine: Machine | undefined,
  ) {}

  static async open(options: LabOptions = {}): Promise<Lab> {
    const dir = mkdtempSync(join(tmpdir(), 'porch-lab-'));
    const runtime = join(dir, 'run');
    mkdirSync(runtime, { mode: 0o700 });
    const env: NodeJS.ProcessEnv = {
      ...process.env,
      HOME: dir,
      XDG_RUNTIME_DIR: runtime,
      XDG_CONFIG_HOME: join(dir, 'config'),
      XDG_DATA_HOME: join(dir, 'data'),
      WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1',
      // No GPU in a container: the software paths, at once instead of after a failure.
      LIBGL_ALWAYS_SOFTWARE: '1',
      NO_AT_BRIDGE: '1',
      PULSE_SERVER: `unix:${join(runtime, 'no-sound')}`,
    };
    delete env.WAYLAND_DISPLAY;
    delete env.XDG_SESSION_TYPE;
    const enter = options.on ? within(options.on) : [];
    const lab = new Lab(dir, new Processes(dir, env, enter), options.on);
    try {
      await lab.startDisplay(options.screen ?? [1280, 800]);
      await lab.startBus();
      if (options.windowManager) lab.processes.start('openbox', 'openbox', []);
      if (options.notifications) await lab.startNotifications();
      if (options.sound) await lab.startSound();
    } catch (error) {
      await lab.close();
      throw error;
    }
    return lab;
  }

  get env(): NodeJS.ProcessEnv {
    return this.processes.env;
  }

  /** The file that the display's pixels are in, as an X Window Dump. */
  get framebuffer(): string {
    return join(this.dir, 'Xvfb_screen0');
  }

  /** Runs a short command in the lab and returns what it printed. */
  async run(command: string, ...args: string[]): Promise<string> {
    return (await this.runForBytes(command, ...args)).toString();
  }

  async runForBytes(command: string, ...args: string[]): Promise<Buffer> {
    const enter = this.machine ? within(this.machine) : [];
    const [program, ...rest] = [...enter, command, ...args] as [string, ...string[]];
    const { stdout } = await run(program, rest, {
      env: this.env,
      encoding: 'buffer',
      maxBuffer: 64 << 20,
      timeout: 20_000,
    });
    return stdout;
  }

  async close(): Promise<void> {
    await this.processes.stopAll();
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 });
  }

  private async startDisplay([width, height]: [number, number]): Promise<void> {
    const xvfb = this.processes.start('xvfb', 'Xvfb', [
      '-displayfd',
      '3',
      '-screen',
      '0',
      `${width}x${height}x24`,
      '-fbdir',
      this.dir,
      '-noreset',
      '-nolisten',
      'tcp',
    ]);
    const number = await new Promise<string>((resolve, reject) => {
      let text = '';
      xvfb.child.stdio[3]?.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        if (text.includes('\n')) resolve(text.trim());
      });
      xvfb.child.once('exit', () => reject(new Error(`Xvfb ended: ${logOf(xvfb)}`)));
    });
    this.env.DISPLAY = `:${number}`;
  }

  private async startBus(): Promise<void> {
    const bus = this.processes.start('dbus', 'dbus-daemon', [
      '--session',
      '--nofork',
      '--print-address',
    ]);
    const address = await until('the bus prints its address', () =>
      logOf(bus)
        .split('\n')
        .find((line) => line.startsWith('unix:')),
    );
    this.env.DBUS_SESSION_BUS_ADDRESS = address;
  }

  private async startNotifications(): Promise<void> {
    // dunst asks "dmenu" which of several actions is meant: this one answers
    // with the line that holds the wanted action, written by pressNotification.
    const menu = join(this.dir, 'menu');
    writeFileSync(menu, `#!/bin/sh\ngrep -F -m 1 -e "$(cat '${join(this.dir, 'wanted')}')"\n`, {
      mode: 0o755,
    });
    const config = join(this.dir, 'dunstrc');
    writeFileSync(
      config,
      `[global]\n    dmenu = ${menu}\n    timeout = 0\n    idle_threshold = 0\n    sticky_history = yes\n`,
    );
    this.bus = this.processes.start('dbus-monitor', 'dbus-monitor', [
      '--session',
      "type='method_call',interface='org.freedesktop.Notifications',member='Notify'",
    ]);
    this.processes.start('dunst', 'dunst', ['-conf', config]);
    await until('dunst answers', () => this.run('dunstctl', 'is-paused'));
  }

  /** The notifications that are shown now, as dunst draws them. */
  async notificationsShown(): Promise<number> {
    return Number((await this.run('dunstctl', 'count', 'displayed')).trim());
  }

  /** What programs have asked to be shown so far, as it went over the bus. */
  notifications(): { summary: string; body: string; actions: string[] }[] {
    if (!this.bus) throw new Error('the lab was opened without notifications');
    // The arguments of Notify (Desktop Notifications Specification, 1.2): name,
    // id, icon, summary, body, actions. dbus-monitor indents those of the
    // array further.
    return logOf(this.bus)
      .split(/^method call .*member=Notify$/m)
      .slice(1)
      .map((call) => {
        const strings = [...call.matchAll(/^ {3}string "([\s\S]*?)"$/gm)].map((m) => m[1] ?? '');
        const actions = /^ {3}array \[\n([\s\S]*?)^ {3}\]/m.exec(call)?.[1] ?? '';
        return {
          summary: strings[2] ?? '',
          body: strings[3] ?? '',
          actions: [...actions.matchAll(/string "(.*)"/g)]
            .map((m) => m[1] ?? '')
            .filter((_, at) => at % 2 === 1),
        };
      });
  }

  /** Presses an action of the newest notification, by its label; returns when, in Unix milliseconds. */
  async pressNotification(label: string): Promise<number> {
    await until('a notification is shown', async () => (await this.notificationsShown()) > 0);
    writeFileSync(join(this.dir, 'wanted'), label);
    const pressed = performance.timeOrigin + performance.now();
    await this.run('dunstctl', 'context');
    return pressed;
  }

  private async startSound(): Promise<void> {
    const socket = join(this.dir, 'pulse.sock');
    this.env.PULSE_SERVER = `unix:${socket}`;
    this.processes.start('pulse', 'pulseaudio', [
      '-n',
      '--daemonize=no',
      '--exit-idle-time=-1',
      '--disallow-exit',
      '--use-pid-file=no',
      '-L',
      `module-native-protocol-unix socket=${socket} auth-anonymous=1`,
      '-L',
      'module-null-sink sink_name=porch_speaker rate=48000',
      '-L',
      'module-null-sink sink_name=porch_microphone rate=48000',
    ]);
    await until('PulseAudio answers', () => this.run('pactl', 'info'));
    await this.run('pactl', 'set-default-sink', 'porch_speaker');
    await this.run('pactl', 'set-default-source', 'porch_microphone.monitor');
  }

  /** Registers a program for a URL scheme, as a mail client would; see handled. */
  handleScheme(scheme: string): void {
    const applications = join(this.env.XDG_DATA_HOME as string, 'applications');
    const config = this.env.XDG_CONFIG_HOME as string;
    mkdirSync(applications, { recursive: true });
    mkdirSync(config, { recursive: true });
    const program = join(this.dir, `handle-${scheme}`);
    writeFileSync(
      program,
      `#!/bin/sh\nprintf '%s' "$1" > '${join(this.dir, `handled-${scheme}`)}'\n`,
      { mode: 0o755 },
    );
    writeFileSync(
      join(applications, `porch-${scheme}.desktop`),
      `[Desktop Entry]\nType=Application\nName=Test ${scheme}\nExec=${program} %u\nMimeType=x-scheme-handler/${scheme};\n`,
    );
    const list = join(config, 'mimeapps.list');
    if (!existsSync(list)) writeFileSync(list, '[Default Applications]\n');
    appendFileSync(list, `x-scheme-handler/${scheme}=porch-${scheme}.desktop\n`);
  }

  /** The URL that the scheme's program was last opened with, or "". */
  handled(scheme: string): string {
    const file = join(this.dir, `handled-${scheme}`);
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  /** What is on the clipboard of the lab's display. */
  async clipboard(): Promise<string> {
    return this.run('xclip', '-selection', 'clipboard', '-o');
  }

  async clearClipboard(): Promise<void> {
    await this.run('sh', '-c', "printf '' | xclip -selection clipboard >/dev/null 2>&1");
  }

  /**
   * Starts the app. dev: the dev build, whose host page a browser can open at
   * `url`; else the production build. The same data folder and relay port are
   * used again when given.
   */
  async startApp(options: {
    dev: boolean;
    synthetic?: boolean;
    data?: string;
    relayPort?: number;
    /** Where the relay listens: this computer alone, or the network too. Default the former. */
    listen?: '127.0.0.1' | '0.0.0.0';
    /** A command that runs the app; see noUDP. */
    by?: string;
    /** The app's file. Default the one in build/bin. */
    program?: string;
    env?: NodeJS.ProcessEnv;
  }): Promise<App> {
    const data = options.data ?? mkdtempSync(join(this.dir, 'data-'));
    const relayPort = options.relayPort ?? (await freePort());
    const devPort = options.dev ? await freePort() : 0;
    const binary =
      options.program ?? join(root, 'build', 'bin', options.dev ? 'porch-dev' : 'porch');
    if (!options.program && !existsSync(binary))
      throw new Error(`${binary} is missing: make app-dev build`);
    const args = options.dev
      ? ['-devserver', `127.0.0.1:${devPort}`, '-assetdir', join(root, 'frontend/dist/host')]
      : [];
    const env: NodeJS.ProcessEnv = {
      PORCH_DATA_DIR: data,
      PORCH_LISTEN: `${options.listen ?? '127.0.0.1'}:${relayPort}`,
      ...options.env,
    };
    if (options.synthetic ?? true) env.PORCH_CAPTURE = 'synthetic';
    const [program, ...rest] = [options.by ?? [], binary, args].flat() as [string, ...string[]];
    const started = this.processes.start(options.dev ? 'porch-dev' : 'porch', program, rest, env);
    const relay = `http://127.0.0.1:${relayPort}`;
    const url = options.dev ? `http://127.0.0.1:${devPort}/` : '';
    await until(
      'the app answers',
      async () => {
        if (started.child.exitCode !== null) throw new Hopeless(`the app ended: ${logOf(started)}`);
        const answers = await Promise.all([
          this.answers(`${relay}/j/AAAAAAAAAAAAAAAAAAAAAA`),
          url ? this.answers(url) : true,
        ]);
        return answers.every((answer) => answer);
      },
      { within: 30_000 },
    );
    return { started, data, relayPort, relay, url };
  }

  /** A page is there, as seen from the lab's machine. */
  private async answers(url: string): Promise<boolean> {
    if (!this.machine) return (await fetch(url)).ok;
    await this.run('curl', '--silent', '--fail', '--output', '/dev/null', url);
    return true;
  }
}

/** Builds the command that runs a program without UDP into a folder, and returns its path. */
export async function noUDP(dir: string): Promise<string> {
  const program = join(dir, 'noudp');
  await run('go', ['build', '-o', program, './frontend/e2e/lab/noudp'], { cwd: root });
  return program;
}

export interface App {
  readonly started: Started;
  readonly data: string;
  readonly relayPort: number;
  readonly relay: string;
  /** Address of the host's page, dev build only. */
  readonly url: string;
}
