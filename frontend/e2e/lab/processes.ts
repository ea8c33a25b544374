// Child processes of a test: started with a log file each, awaited by what
// they print or do, and ended in reverse order.
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

export interface Started {
  readonly name: string;
  readonly child: ChildProcess;
  readonly log: string;
  /** Ends the process: SIGTERM, then SIGKILL after five seconds. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

export class Processes {
  private readonly running: Started[] = [];

  /** enter is the command that starts all others, as within() of net.ts gives it; [] for none. */
  constructor(
    private readonly dir: string,
    readonly env: NodeJS.ProcessEnv,
    private readonly enter: readonly string[] = [],
  ) {}

  start(name: string, command: string, args: string[], env: NodeJS.ProcessEnv = {}): Started {
    const log = join(this.dir, `${name}-${this.running.length}.log`);
    const out = createWriteStream(log);
    const [program, ...rest] = [...this.enter, command, ...args] as [string, ...string[]];
    const child = spawn(program, rest, {
      env: { ...this.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    });
    child.stdout?.pipe(out, { end: false });
    child.stderr?.pipe(out, { end: false });
    const gone = new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
      child.once('error', (error) => {
        out.write(`could not start ${command}: ${error.message}\n`);
        resolve();
      });
    });
    const started: Started = {
      name,
      child,
      log,
      stop: async (signal = 'SIGTERM') => {
        if (child.exitCode === null && child.signalCode === null) {
          child.kill(signal);
          const killer = setTimeout(() => child.kill('SIGKILL'), 5_000);
          await gone;
          clearTimeout(killer);
        }
      },
    };
    this.running.push(started);
    return started;
  }

  async stopAll(): Promise<void> {
    for (const process of this.running.reverse()) await process.stop();
    this.running.length = 0;
  }
}

/** Thrown by a probe when waiting on is of no use. */
export class Hopeless extends Error {}

/**
 * Waits until probe gives something truthy, and returns it; fails with what
 * was awaited after the deadline.
 */
export async function until<T>(
  what: string,
  probe: () => T | Promise<T>,
  { within = 20_000, every = 50 }: { within?: number; every?: number } = {},
): Promise<NonNullable<T>> {
  const deadline = Date.now() + within;
  let last: unknown;
  for (;;) {
    try {
      const got = await probe();
      if (got) return got;
      last = got;
    } catch (error) {
      if (error instanceof Hopeless) throw error;
      last = error;
    }
    if (Date.now() > deadline) throw new Error(`not within ${within} ms: ${what} (last: ${last})`);
    await pause(every);
  }
}

const given = new Set<number>();

/**
 * A TCP port at which nobody listens: none that the system gives to whoever connects (Linux: from 32768), nor of those
 * that backend/relay/freeport has. The same one is not given twice.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(10_000 * Math.random());
    if (!given.has(port) && (await isFree(port))) {
      given.add(port);
      return port;
    }
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

export function logOf(process: Started): string {
  return readFileSync(process.log, 'utf8');
}
