// porch-headless.exe under Wine (scripts/test-windows.sh, which sets PORCH_WINE to the folder of the programs): a guest in
// Chromium on Linux opens its page, knocks, and is let in over the sealed channel. As people get it, the program finds no
// UDP there, which Wine 8 does not give to Go, and has to say so; with Go mended for Wine, sound and pictures come, too.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { chromiumPage, openChromium, pictureOf } from './lab/browsers.js';
import { chat, controls, knock } from './lab/guest.js';
import { until } from './lab/processes.js';

const folder = process.env.PORCH_WINE;

interface Event {
  event: string;
  link?: string;
  name?: string;
}

describe.skipIf(!folder)('under Wine', () => {
  let browser: Browser;
  let data: string;
  let program: ChildProcess;
  let printed: string;
  let said: string;

  beforeAll(async () => {
    browser = await openChromium();
  });
  afterAll(async () => {
    await browser?.close();
  });
  beforeEach(() => {
    data = mkdtempSync(join(tmpdir(), 'porch-wine-'));
    printed = said = '';
  });
  afterEach(async () => {
    const gone = new Promise((resolve) => program.once('exit', resolve));
    program.kill('SIGINT');
    await gone;
    rmSync(data, { recursive: true, force: true });
  });

  const events = (): Event[] =>
    printed
      .split(/\r?\n/)
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as Event);

  async function start(file: string): Promise<string> {
    program = spawn('wine', [join(folder as string, file), '-listen', '127.0.0.1:0'], {
      env: { ...process.env, PORCH_DATA_DIR: `Z:${data.replaceAll('/', '\\')}` },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    program.stdout?.on('data', (chunk: Buffer) => {
      printed += chunk.toString();
    });
    program.stderr?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    return until('a link', () => events().find((e) => e.event === 'link')?.link, {
      within: 60_000,
    });
  }

  test('a guest knocks and is let in; without UDP everybody is told', async () => {
    const address = await start('porch-headless.exe');
    expect(address).toMatch(/^http:\/\/localhost:\d+\/j\//);
    const page = await chromiumPage(browser);
    await knock(page, address, 'Ada');
    await until('the knock is told', () => events().some((e) => e.event === 'knock'));
    program.stdin?.write('Ada\r\n');
    await controls(page).waitFor();
    expect(events().filter((e) => e.event === 'admitted')).toMatchObject([{ name: 'Ada' }]);
    await chat(page, 'hello');
    await page.getByText('hello').first().waitFor();
    expect(said).toContain('udp-unavailable');
    await page
      .getByRole('alert')
      .filter({ hasText: 'the host’s computer may not use UDP' })
      .waitFor({ timeout: 20_000 });
  });

  test('with Go mended for Wine, two guests see each other', async () => {
    const address = await start('porch-headless-mended.exe');
    const pages = [];
    for (const name of ['Ada', 'Bea']) {
      const page = await chromiumPage(browser);
      pages.push(page);
      await knock(page, address, name);
      await until('the knock is told', () =>
        events().some((e) => e.event === 'knock' && e.name === name),
      );
      program.stdin?.write(`${name}\r\n`);
      await controls(page).waitFor();
    }
    const [ada, bea] = pages as [(typeof pages)[0], (typeof pages)[0]];
    for (const [page, other] of [
      [ada, 'Bea'],
      [bea, 'Ada'],
    ] as const)
      await until(
        `the picture of ${other} moves`,
        async () => (await pictureOf(page, other)).change > 0.2,
        { within: 60_000 },
      );
    expect(said).not.toContain('udp-unavailable');
  });
});
