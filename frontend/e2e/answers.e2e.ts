// Browsers that answer an offer as few do.
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chromiumPage, openChromium, pictureOf, soundReceived } from './lab/browsers.js';
import { createLink } from './lab/host.js';
import { Lab } from './lab/lab.js';
import { until } from './lab/processes.js';

let lab: Lab;
let chromium: Browser;
let host: Page;

beforeAll(async () => {
  lab = await Lab.open();
  const app = await lab.startApp({ dev: true });
  chromium = await openChromium();
  host = await chromiumPage(chromium, { viewport: { width: 1100, height: 760 } });
  await host.goto(app.url);
});

afterAll(async () => {
  await chromium?.close();
  await lab?.close();
});

async function joins(address: string, name: string, script?: string): Promise<Page> {
  const page = await chromiumPage(chromium);
  if (script) await page.addInitScript(script);
  await page.goto(address);
  await page.getByRole('textbox', { name: 'Your name' }).fill(name);
  await page.getByRole('button', { name: 'Join', exact: true }).click();
  await host
    .getByRole('button', { name: `Let in ${name}` })
    .first()
    .click();
  await page.getByRole('toolbar', { name: 'Call controls' }).waitFor();
  return page;
}

/** To such a browser the offer has no codec for pictures that it knows: it answers `m=video 0`. */
const withoutVP8 = `(() => {
  const set = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = function (d) {
    return set.call(this, { type: d.type, sdp: d.sdp.replaceAll('VP8/90000', 'XX8/90000') });
  };
  const answer = RTCPeerConnection.prototype.createAnswer;
  RTCPeerConnection.prototype.createAnswer = async function () {
    const a = await answer.call(this);
    window.__answer = a.sdp;
    return a;
  };
})()`;

test('a browser that refuses all pictures hears and is heard', async () => {
  const address = await createLink(lab, host);
  const ada = await joins(address, 'Ada');
  const boris = await joins(address, 'Boris', withoutVP8);
  expect(await boris.evaluate('window.__answer')).toMatch(/m=video 0 /);
  for (const page of [ada, boris]) {
    await until('sound arrives', async () => (await soundReceived(page)) > 0);
  }
  // Somebody else comes: another offer, which it answers in the same way.
  const cleo = await joins(address, 'Cleo');
  await until('the others see one another', async () => (await pictureOf(cleo, 'Ada')).change > 0);
  const before = await soundReceived(boris);
  await until('sound goes on', async () => (await soundReceived(boris)) > before);
  expect(await boris.getByRole('toolbar', { name: 'Call controls' }).count()).toBe(1);
}, 180_000);
