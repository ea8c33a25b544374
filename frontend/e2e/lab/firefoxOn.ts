// Firefox on another machine of the laboratory. Whoever drives it speaks to it over loopback, and each machine has a
// loopback of its own; so a socket in the file system, which all machines share, leads from ours to that one's.
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import type { Browser } from 'puppeteer-core';
import { openFirefox } from './browsers.js';
import { type Machine, type Net, within } from './net.js';
import { freePort, Processes } from './processes.js';

/** Opens Firefox on a machine. dir is for what it needs besides. Closing the browser and stopAll of processes end all. */
export async function openFirefoxOn(
  net: Net,
  machine: Machine,
  dir: string,
  preferences: Record<string, unknown> = {},
): Promise<Browser> {
  const port = await freePort();
  const socket = join(dir, `firefox-${port}`);
  const there = new Processes(dir, process.env, within(machine));
  const inner = there.start('socat', 'socat', [
    `UNIX-LISTEN:${socket},fork`,
    `TCP:127.0.0.1:${port}`,
  ]);
  const outer = createServer((near) => {
    const far = connect(socket);
    for (const [a, b] of [[near, far], [far, near]] as const) // biome-ignore format: both directions
      a.on('error', () => b.destroy()).pipe(b);
  });
  await new Promise<void>((done) => outer.listen(port, '127.0.0.1', done));
  try {
    const browser = await openFirefox({
      program: net.program(machine, '/usr/bin/firefox-esr'),
      port,
      preferences: { 'media.peerconnection.ice.loopback': false, ...preferences }, // as it is out in the world
    });
    browser.once('disconnected', () => {
      outer.close();
      void inner.stop();
    });
    return browser;
  } catch (error) {
    outer.close();
    await inner.stop();
    throw error;
  }
}
