// How long the first guest of a call waits for the host's picture after Let in: the host comes into the call with it.
// `make bench`.
import { expect, test } from 'vitest';
import { hostsName, knock, openLink, percentile, report } from './lab/bench.js';
import { markedAt, openChromium } from './lab/browsers.js';
import { hostPage } from './lab/host.js';
import { Lab } from './lab/lab.js';

/** How long a host takes to look who knocks, in milliseconds: what is made ready meanwhile has its time. */
const glance = 2000;

test('a call begins: Let in → first frame, the host’s camera opened with it', async () => {
  const frame: number[] = [];
  for (let i = 0; i < 5; i++) {
    // Each time another app: what the browser has once begun stays. The browser's fake camera, which
    // is opened as a real one is, and not the app's test picture.
    const lab = await Lab.open({ notifications: true });
    const browser = await openChromium();
    const guestBrowser = await openChromium();
    try {
      const app = await lab.startApp({ dev: true, synthetic: false });
      const host = await hostPage(browser);
      const guest = await knock(guestBrowser, await openLink(lab, app, host), 'Ada');
      const letIn = host.getByRole('button', { name: 'Let in Ada' }).first();
      await letIn.waitFor();
      await new Promise((done) => setTimeout(done, glance));
      await letIn.click();
      const drawn = await markedAt(guest, `drawn ${await hostsName(host)}`);
      frame.push(drawn - (await markedAt(host, 'pressed Let in Ada')));
    } finally {
      await browser.close();
      await guestBrowser.close();
      await lab.close();
    }
  }
  report(
    'a call begins: Let in pressed → first frame drawn at the guest',
    frame,
    'of our own: 2500 ms p50',
  );
  expect(percentile(frame, 50)).toBeLessThanOrEqual(2500);
}, 300_000);
