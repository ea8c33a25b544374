// What effects cost a guest's browser, beside none in the same run; `make bench`. The camera is Chromium's own fake one,
// at 640 × 360, and there is no graphics card.
import { readdirSync, readFileSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openLink } from './lab/bench.js';
import { chromiumPage, openChromium } from './lab/browsers.js';
import { controls, knock } from './lab/guest.js';
import { hostPage, letIn } from './lab/host.js';
import { Lab } from './lab/lab.js';

/** Of src/media/webview/effects/pace.ts: what a picture may take, in milliseconds. */
const budget = 12;
/** How long each effect is looked at, in milliseconds. */
const span = 8000;

/** Keeps what the worker of scenes says of its pictures, and gives a camera of 640 × 360. */
const watch = `(() => {
  window.__took = [];
  const Native = window.Worker;
  window.Worker = class extends Native {
    constructor(...args) {
      super(...args);
      this.addEventListener('message', ({ data }) => {
        if (data?.ready) window.__took.push(data.took);
      });
    }
  };
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = (wanted) =>
    open(wanted.video ? { ...wanted, video: { width: 640, height: 360, frameRate: 30 } } : wanted);
})();`;

let lab: Lab;
let hosts: Browser;
let guests: Browser;
let guest: Page;

beforeAll(async () => {
  lab = await Lab.open({ notifications: true });
  const app = await lab.startApp({ dev: true, synthetic: false });
  [hosts, guests] = await Promise.all([
    openChromium({ args: ['--disable-gpu'] }),
    openChromium({ args: ['--disable-gpu', '--porch-effects-bench'] }),
  ]);
  const host = await hostPage(hosts);
  const address = await openLink(lab, app, host);
  guest = await chromiumPage(guests, { viewport: { width: 1000, height: 700 } });
  await guest.addInitScript(watch);
  await knock(guest, address, 'Ada');
  await letIn(host, 'Ada');
  await controls(guest).getByRole('button', { name: 'Effects', exact: true }).click();
});

afterAll(async () => {
  await guests?.close();
  await hosts?.close();
  await lab?.close();
});

/** The processes of the guest's browser: processor time in seconds, and memory that is theirs alone (PSS) in MB. */
function used(): { seconds: number; memory: number } {
  const parents = new Map<number, number>();
  let root = 0;
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (!pid) continue;
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      parents.set(pid, Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
      if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('--porch-effects-bench') && !root)
        root = pid;
    } catch {
      // It has ended meanwhile.
    }
  }
  const ours = (pid: number): boolean => pid === root || (pid > 1 && ours(parents.get(pid) ?? 0));
  let [seconds, memory] = [0, 0];
  for (const pid of parents.keys()) {
    if (!ours(pid)) continue;
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      seconds += (Number(fields[11]) + Number(fields[12])) / 100;
      const pss = /^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'));
      memory += Number(pss?.[1] ?? 0) / 1024;
    } catch {
      // It has ended meanwhile.
    }
  }
  return { seconds, memory };
}

const middle = (values: number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;

test('effects: time of a picture, processor and memory beside none', async () => {
  const collector = await guest.context().newCDPSession(guest);
  let plain: { share: number; memory: number } | undefined;
  for (const name of ['None', 'Warm', 'Blur', 'Sea', 'Hat', 'None']) {
    await guest.getByRole('radio', { name }).check();
    await new Promise((done) => setTimeout(done, 3000)); // it is loaded, and the pace has found its step
    await guest.evaluate('window.__took.length = 0');
    const before = used();
    await new Promise((done) => setTimeout(done, span));
    await collector.send('HeapProfiler.collectGarbage');
    const after = used();
    const took = await guest.evaluate<number[]>('window.__took');
    const off = (await guest.getByRole('alert').filter({ hasText: 'too slow' }).count()) > 0;
    const share = (1000 * (after.seconds - before.seconds)) / span;
    plain ??= { share, memory: after.memory };
    // Of two pictures in a row a model looks at one.
    const pairs = took.slice(1).map((value, i) => (value + took[i]!) / 2);
    console.log(
      `${name.padEnd(5)} ${took.length} pictures, ${middle(pairs).toFixed(1)} ms each (quickest pair ${Math.min(...pairs).toFixed(1)});` +
        ` processor ${share.toFixed(2)} of a core (× ${(share / plain.share).toFixed(2)}), memory ${after.memory.toFixed(0)} MB (× ${(after.memory / plain.memory).toFixed(2)})${off ? '; too slow, off' : ''}`,
    );
    // What goes on is in time, as long as it was not judged a moment ago.
    expect(off || pairs.length === 0 || middle(pairs) < 1.5 * budget).toBe(true);
  }
}, 180_000);
