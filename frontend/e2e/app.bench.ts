// The app with its native window: how soon it can be used, and what memory it
// takes idle and in a call of eight. `make bench`.
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openChromium } from './lab/browsers.js';
import { hostPage } from './lab/host.js';
import { Lab, root } from './lab/lab.js';
import { until } from './lab/processes.js';
import { amber, createLinkByMouse, findColour, screen } from './lab/screen.js';

const run = promisify(execFile);
const lines: string[] = [];

function report(line: string): void {
  console.log(line);
  lines.push(line);
}

let lab: Lab;

beforeAll(async () => {
  lab = await Lab.open({ notifications: true, sound: true, windowManager: true });
});

afterAll(async () => {
  mkdirSync(join(root, 'build', 'bench'), { recursive: true });
  writeFileSync(join(root, 'build', 'bench', 'app.txt'), `${lines.join('\n')}\n`);
  await lab?.close();
});

/** Proportional set size of a process and its descendants, in MB (man 5 proc, smaps_rollup). */
function memory(pid: number): { app: number; webview: number } {
  const parents = new Map<number, number>();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      parents.set(Number(entry), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // It has ended meanwhile.
    }
  }
  const size = (p: number) => {
    const rollup = readFileSync(`/proc/${p}/smaps_rollup`, 'utf8');
    return Number(/^Pss: +(\d+) kB/m.exec(rollup)?.[1] ?? 0) / 1024;
  };
  const descendants = [...parents.keys()].filter((p) => {
    for (let at = parents.get(p); at; at = parents.get(at)) if (at === pid) return true;
    return false;
  });
  return { app: size(pid), webview: descendants.reduce((sum, p) => sum + size(p), 0) };
}

const show = (m: { app: number; webview: number }) =>
  `${m.app.toFixed(0)} MB app + ${m.webview.toFixed(0)} MB webview`;

/** WebKitGTK's own example of a browser, of the same package as the library. */
const miniBrowser = '/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser';

test('start of the window, warm', async () => {
  const page = `data:text/html,<body bgcolor=%23${amber.map((c) => c.toString(16)).join('')}>`;
  const times = { app: [] as number[], floor: [] as number[] };
  for (let i = 0; i < 6; i++) {
    for (const what of ['app', 'floor'] as const) {
      const started = performance.now();
      const program =
        what === 'app'
          ? (await lab.startApp({ dev: false })).started
          : lab.processes.start('minibrowser', miniBrowser, ['--geometry=1100x760', page]);
      await until('the window is drawn', () => findColour(screen(lab), amber), {
        every: 10,
      });
      if (i > 0) times[what].push(performance.now() - started); // the first is cold
      await program.stop();
      await until('the window is gone', () => !findColour(screen(lab), amber));
    }
  }
  const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] as number;
  const [app, floor] = [median(times.app), median(times.floor)];
  report(
    `app started → window usable: n=${times.app.length} median ${app.toFixed(0)} ms (budget 1000 ms; a window of WebKitGTK with an empty page, by turns: ${floor.toFixed(0)} ms)`,
  );
});

test('memory, idle and in a call of 8', async () => {
  const app = await lab.startApp({ dev: true });
  const pid = app.started.child.pid as number;
  const address = await createLinkByMouse(lab);
  report(`memory idle: ${show(memory(pid))}`);

  const load = run(join(root, 'build', 'bin', 'porch-load'), [
    '-link',
    address,
    '-guests',
    '7',
    '-for',
    '20s',
    '-name',
    'Load',
  ]);
  await lab.pressNotification('Let in');
  const chromium = await openChromium();
  try {
    const host = await hostPage(chromium);
    await host.goto(app.url);
    for (let i = 2; i <= 7; i++) {
      await host
        .getByRole('button', { name: `Let in Load ${i}`, exact: true })
        .first()
        .click();
    }
  } finally {
    await chromium.close();
  }
  let peak = memory(pid);
  const ended = load.then(() => true);
  while (
    !(await Promise.race([
      ended,
      new Promise<false>((later) => setTimeout(() => later(false), 1_000)),
    ]))
  ) {
    const now = memory(pid);
    if (now.app + now.webview > peak.app + peak.webview) peak = now;
  }
  report(`memory in a call of 8, the native window among them, at its highest: ${show(peak)}`);
  const result = JSON.parse((await load).stdout) as { forwarded: number };
  expect(result.forwarded).toBeGreaterThan(10_000);
});
