// Layers of pictures, seen by real browsers (A21 of the media work): a guest in Chromium and one in Firefox look at pictures
// in large and in small tiles, look away, mute, turn the camera off and come back, at random. No decoder fails, nothing
// freezes that does not pause, and no picture is old. PORCH_SWITCHES=200 is the full run.
import type { Browser, Page } from 'playwright-core';
import type { Browser as FirefoxBrowser, Page as FirefoxPage } from 'puppeteer-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  chromiumPage,
  evaluate,
  firefoxPage,
  openChromium,
  openFirefox,
  pressFirefox,
  showPage,
} from './lab/browsers.js';
import { createLink } from './lab/host.js';
import { type App, Lab } from './lab/lab.js';
import { until } from './lab/processes.js';

const steps = Number(process.env.PORCH_SWITCHES ?? 10);

/** How many freezes may be seen, and how old a picture may be, in milliseconds. */
const must = { freezes: 5, age: 1000 };

/** How many times as much this test allows: three browsers code and decode on two cores that other work may share. */
const slack = 3;

type AnyPage = Page | FirefoxPage;

/**
 * A camera of 1280×720 that shows the time as 16 bright or dark fields in a row: one that is bright, 14 bits of milliseconds,
 * and one that makes the number of bright ones even.
 */
const clock = `(() => {
  const devices = navigator.mediaDevices;
  if (!devices) return;
  const open = devices.getUserMedia.bind(devices);
  devices.getUserMedia = async ({ audio, video } = {}) => {
    const stream = audio ? await open({ audio }) : new MediaStream();
    if (!video) return stream;
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [1280, 720];
    const c = canvas.getContext('2d');
    let n = 0;
    const paint = () => {
      const now = Date.now();
      let even = 1;
      for (let bit = 0; bit < 16; bit++) {
        const bright = bit === 0 ? 1 : bit === 15 ? even : (now >> (bit - 1)) & 1;
        even ^= bit ? bright : 0;
        c.fillStyle = bright ? '#fff' : '#000';
        c.fillRect(bit * 80, 0, 80, 240);
      }
      c.fillStyle = 'hsl(' + ((n++ * 5) % 360) + ' 40% 50%)';
      c.fillRect(0, 240, 1280, 480);
    };
    paint();
    const timer = setInterval(paint, 100);
    const track = canvas.captureStream(10).getVideoTracks()[0];
    const stop = track.stop.bind(track);
    track.stop = () => { clearInterval(timer); stop(); };
    stream.addTrack(track);
    return stream;
  };
})();`;

/** Watches the pictures of the others: how many are drawn, and how old the oldest is. */
const watch = `(() => {
  const seen = { frames: 0, oldest: 0 };
  Object.defineProperty(window, '__seen', { value: seen });
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [160, 90];
  const c = canvas.getContext('2d', { willReadFrequently: true });
  const watched = new WeakSet();
  const follow = (video) => video.requestVideoFrameCallback(() => {
    c.drawImage(video, 0, 0, 160, 90);
    const { data } = c.getImageData(0, 15, 160, 1);
    const bright = (bit) => (data[(bit * 10 + 5) * 4] > 127 ? 1 : 0);
    let time = 0;
    let count = 0;
    for (let bit = 0; bit < 16; bit++) {
      count += bright(bit);
      if (bit > 0 && bit < 15) time |= bright(bit) << (bit - 1);
    }
    // A camera that is off shows nothing.
    if (bright(0) && count % 2 === 0) seen.oldest = Math.max(seen.oldest, (Date.now() - time) & 0x3fff);
    seen.frames++;
    follow(video);
  });
  setInterval(() => {
    for (const video of document.querySelectorAll('.tile:not(:has(.mirrored)) video')) {
      if (watched.has(video)) continue;
      watched.add(video);
      follow(video);
    }
  }, 100);
})();`;

interface Figures {
  /** Lines of the pictures that are received now. */
  heights: number[];
  decoded: number;
  freezes: number;
  /**
   * Requests for keyframes. Nothing is lost here, so that only a decoder that can't go on asks for one. What is received,
   * decoded and dropped doesn't tell: pictures wait in between, and Firefox counts some of the dropped ones twice.
   */
  wishes: number;
}

/** What the page's connection says of the pictures that it receives. */
const figures = (page: AnyPage) =>
  evaluate<Figures>(
    page,
    `(async () => {
      const all = { heights: [], decoded: 0, freezes: 0, wishes: 0 };
      for (const peer of window.__peers || []) {
        if (peer.connectionState === 'closed') continue;
        for (const s of (await peer.getStats()).values()) {
          if (s.type !== 'inbound-rtp' || s.kind !== 'video' || !s.framesDecoded) continue;
          all.heights.push(s.frameHeight ?? 0);
          all.decoded += s.framesDecoded;
          all.freezes += s.freezeCount ?? 0;
          all.wishes += s.pliCount ?? 0;
        }
      }
      return all;
    })()`,
  );

/** Which layers the page sends: lines and pictures a second of each, and what keeps it from more. */
const sending = (page: AnyPage) =>
  evaluate<string>(
    page,
    `(async () => {
      const all = [];
      for (const peer of window.__peers || []) {
        if (peer.connectionState === 'closed') continue;
        for (const s of (await peer.getStats()).values()) {
          if (s.type !== 'outbound-rtp' || s.kind !== 'video') continue;
          all.push([s.rid, s.active, s.frameHeight, s.framesPerSecond, s.qualityLimitationReason].join(' '));
        }
      }
      return all.join(', ');
    })()`,
  );

/** Takes what was seen since the last time. */
const look = (page: AnyPage) =>
  evaluate<{ frames: number; oldest: number }>(
    page,
    '(() => { const was = { ...window.__seen }; window.__seen.frames = window.__seen.oldest = 0; return was; })()',
  );

let lab: Lab;
let app: App;
let chromium: Browser;
let firefox: FirefoxBrowser;
let host: Page;
let address: string;
const guests: Record<string, AnyPage> = {};

beforeAll(async () => {
  lab = await Lab.open();
  app = await lab.startApp({ dev: true });
  chromium = await openChromium();
  firefox = await openFirefox();
  host = await chromiumPage(chromium, { viewport: { width: 900, height: 640 } });
  await host.addInitScript(clock);
  await host.goto(app.url);
  address = await createLink(lab, host);

  const ada = await chromiumPage(chromium, { viewport: { width: 1300, height: 900 } });
  await ada.addInitScript(clock);
  await ada.addInitScript(watch);
  guests.Ada = ada;
  await ada.goto(address);
  await ada.getByRole('textbox', { name: 'Your name' }).fill('Ada');
  await ada.getByRole('button', { name: 'Join', exact: true }).click();
  await host.getByRole('button', { name: 'Let in Ada' }).click();
  await host.getByRole('toolbar', { name: 'Call controls' }).waitFor();

  const bea = await firefoxPage(firefox);
  await bea.setViewport({ width: 1300, height: 900 });
  await bea.evaluateOnNewDocument(clock);
  await bea.evaluateOnNewDocument(watch);
  guests.Bea = bea;
  await bea.goto(address);
  await bea.locator('aria/Your name[role="textbox"]').fill('Bea');
  await pressFirefox(bea, 'Join');
  await host.getByRole('button', { name: 'Let in Bea' }).click();
  for (const page of Object.values(guests)) {
    await until('two pictures come', async () => (await figures(page)).heights.length === 2);
  }
});

afterAll(async () => {
  await chromium?.close();
  await firefox?.close();
  await lab?.close();
});

/** Random numbers that are the same in each run. */
function dice(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Shows the others in tiles of this height, or as large as the page likes. */
const size = (page: AnyPage, height?: number) =>
  evaluate<void>(
    page,
    `(() => {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(${JSON.stringify(height ? `.tile:not(:has(.mirrored)) { height: ${height}px !important }` : '')});
      document.adoptedStyleSheets = [sheet];
    })()`,
  );

/** Presses a button of the page by its name. */
const press = (page: AnyPage, name: string) => pressFirefox(page as FirefoxPage, name);

/** Waits until more pictures are drawn. */
async function drawn(page: AnyPage, more = 5): Promise<void> {
  await until('pictures are drawn', async () => {
    return (await evaluate<number>(page, 'window.__seen.frames')) >= more;
  });
}

/** Waits until each picture has a height. */
async function heights(page: AnyPage, what: string, ok: (height: number) => boolean) {
  let last: number[] = [];
  try {
    await until(what, async () => {
      last = (await figures(page)).heights;
      return last.length > 0 && last.every(ok);
    });
  } catch (error) {
    const sent = await Promise.all([host, ...Object.values(guests)].map(sending));
    throw new Error(`${what}: ${last.join(', ')} lines; sent ${sent.join(' | ')}`, {
      cause: error,
    });
  }
}

test('pictures change their size and pause without a fault', {
  timeout: 120_000 + steps * 5_000,
}, async () => {
  const random = dice(2);
  const small: Record<string, boolean> = {};
  const seen = { freezes: 0, oldest: 0, switches: 0 };
  for (let step = 0; step < steps; step++) {
    const name = step % 2 ? 'Bea' : 'Ada';
    const page = guests[name]!;
    const other = guests[step % 2 ? 'Ada' : 'Bea']!;
    const before = await figures(page);
    await look(page);
    const what = random(10);
    let paused = true;
    switch (what) {
      case 0: // looks away for a while
        await showPage(page, false);
        await until('no picture comes', async () => {
          const was = (await figures(page)).decoded;
          await new Promise((done) => setTimeout(done, 500));
          return (await figures(page)).decoded === was;
        });
        await look(page);
        await showPage(page, true);
        await drawn(page);
        break;
      case 1: // the other turns the camera off and on
        await press(other, 'Turn camera off');
        await look(page);
        await press(other, 'Turn camera on');
        await until('two pictures come', async () => (await figures(page)).heights.length === 2);
        await drawn(page);
        break;
      case 2: // comes back
        await page.reload();
        await until('two pictures come', async () => (await figures(page)).heights.length === 2);
        small[name] = false;
        await drawn(page);
        break;
      case 3:
        await press(page, 'Mute');
        await press(page, 'Unmute');
        paused = false;
        break;
      default:
        small[name] = !small[name];
        await size(page, small[name] ? 150 : undefined);
        await heights(page, `${name} gets ${small[name] ? 'small' : 'large'} pictures`, (h) =>
          small[name] ? h <= 180 : h >= 360,
        );
        await drawn(page);
        seen.switches++;
        paused = false;
    }
    const after = await figures(page);
    if (what === 2) before.wishes = after.wishes; // a page that comes waits for its first pictures
    if (!paused) seen.freezes += after.freezes - before.freezes;
    expect(after.wishes, `${name}, step ${step} (${what}): requests for keyframes`).toBe(
      before.wishes,
    );
    seen.oldest = Math.max(seen.oldest, (await look(page)).oldest);
  }
  console.log(
    `${steps} steps, ${seen.switches} changes of size: ${seen.freezes} freezes, the oldest picture ${seen.oldest} ms`,
  );
  expect(seen.freezes).toBeLessThanOrEqual(must.freezes * slack);
  expect(seen.oldest).toBeLessThan(must.age * slack);
});
