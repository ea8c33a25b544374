// Latencies on loopback, from real presses to what is really drawn: Chromium
// as host on the dev build, Chromium as guest, n = 20 each. `make bench`.
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hostsName, knock, openLink, percentile, report } from './lab/bench.js';
import { chromiumPage, markedAt, openChromium } from './lab/browsers.js';
import { hostPage } from './lab/host.js';
import { type App, Lab } from './lab/lab.js';

const n = 20;

let lab: Lab;
let app: App;
let hostBrowser: Browser;
let guestBrowser: Browser;
let host: Page;

beforeAll(async () => {
  lab = await Lab.open({ notifications: true });
  app = await lab.startApp({ dev: true });
  hostBrowser = await openChromium();
  guestBrowser = await openChromium();
  host = await hostPage(hostBrowser);
});

afterAll(async () => {
  await hostBrowser?.close();
  await guestBrowser?.close();
  await lab?.close();
});

/**
 * What the browser itself takes on this machine: two connections in one page, until the first frame is drawn. It is the
 * floor for "Let in → first frame", and tells how fast the machine is.
 */
const twoPeers = `(async () => {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 1280, height: 720 }, audio: true });
  const took = [];
  for (let i = 0; i < 11; i++) {
    const began = performance.now();
    const a = new RTCPeerConnection(), b = new RTCPeerConnection();
    a.onicecandidate = ({ candidate }) => candidate && b.addIceCandidate(candidate);
    b.onicecandidate = ({ candidate }) => candidate && a.addIceCandidate(candidate);
    const video = document.createElement('video');
    Object.assign(video, { muted: true, autoplay: true });
    document.body.append(video);
    const drawn = new Promise((done) => video.requestVideoFrameCallback(done));
    b.ontrack = ({ track }) => { if (track.kind === 'video') video.srcObject = new MediaStream([track]); };
    for (const track of stream.getTracks()) a.addTrack(track, stream);
    await a.setLocalDescription();
    await b.setRemoteDescription(a.localDescription);
    await b.setLocalDescription();
    await a.setRemoteDescription(b.localDescription);
    await drawn;
    took.push(performance.now() - began);
    a.close(); b.close(); video.remove();
  }
  for (const track of stream.getTracks()) track.stop();
  return took;
})()`;

test('the floor', async () => {
  const page = await chromiumPage(guestBrowser);
  await page.goto(`${app.relay}/j/AAAAAAAAAAAAAAAAAAAAAA`);
  const [, ...warm] = await page.evaluate<number[]>(twoPeers);
  report('two peer connections in one page → first frame drawn', warm, 'the floor');
  await page.context().close();

  const empty: number[] = [];
  for (let i = 0; i < 10; i++) {
    const page = await chromiumPage(guestBrowser);
    await page.goto(`${app.relay}/nothing`);
    empty.push(
      (await page.evaluate(
        'performance.getEntriesByType("navigation")[0].domContentLoadedEventEnd',
      )) as number,
    );
    await page.context().close();
  }
  report('a page without anything opened → read', empty, 'the floor');
});

test('link opened → Join can be pressed; Join → bell; Let in → first frame', async () => {
  const address = await openLink(lab, app, host);
  const hostName = await hostsName(host);

  const usable: number[] = [];
  const bell: number[] = [];
  const frame: number[] = [];
  // One more than n: the first brings the host into the call and is not counted.
  for (let i = 0; i <= n; i++) {
    const name = `Guest ${i}`;
    const guest = await knock(guestBrowser, address, name);
    await host
      .getByRole('button', { name: `Let in ${name}` })
      .first()
      .click();
    const drawn = await markedAt(guest, `drawn ${hostName}`);
    if (i > 0) {
      const opened = (await guest.evaluate('performance.timeOrigin')) as number;
      usable.push((await markedAt(guest, 'Join can be pressed')) - opened);
      bell.push(
        (await markedAt(host, `shown Let in ${name}`)) - (await markedAt(guest, 'pressed Join')),
      );
      frame.push(drawn - (await markedAt(host, `pressed Let in ${name}`)));
    }
    await guest.getByRole('button', { name: 'Leave', exact: true }).click();
    await host.getByRole('group', { name, exact: true }).waitFor({ state: 'detached' });
    await guest.context().close();
  }
  report('link opened → Join can be pressed', usable, '500 ms');
  report('Join pressed → bell shown to the host', bell, '100 ms p95');
  report('Let in pressed → first frame drawn at the guest', frame, '300 ms p50');
  expect(percentile(usable, 50)).toBeLessThanOrEqual(500);
  expect(percentile(bell, 95)).toBeLessThanOrEqual(100);
  expect(percentile(frame, 50)).toBeLessThanOrEqual(300);
}, 600_000);
