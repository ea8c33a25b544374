// Browsers that answer an offer as few do.
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chromiumPage, pictureOf, soundReceived } from './lab/browsers.js';
import { askToJoin, controls } from './lab/guest.js';
import { type AppWindow, createLink, letIn, openAppWindow } from './lab/host.js';
import { until } from './lab/processes.js';

let home: AppWindow;
let host: Page;

beforeAll(async () => {
  home = await openAppWindow();
  ({ host } = home);
});

afterAll(() => home?.close());

async function joins(address: string, name: string, script?: string): Promise<Page> {
  const page = await chromiumPage(home.chromium);
  if (script) await page.addInitScript(script);
  await askToJoin(page, address, name);
  await letIn(host, name);
  await controls(page).waitFor();
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
  const address = await createLink(home.lab, host);
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
  expect(await controls(boris).count()).toBe(1);
}, 180_000);
