// Real browsers with fake cameras, and what tests ask of their pages.
import { type Browser, chromium, type Page } from 'playwright-core';
import puppeteer, {
  type Browser as FirefoxBrowser,
  type Page as FirefoxPage,
} from 'puppeteer-core';
import { until } from './processes.js';

/**
 * Runs in every page before its own scripts: keeps the peer connections that
 * the page makes, so that tests can count them and read their statistics.
 */
const keepPeers = `(() => {
  const Native = window.RTCPeerConnection;
  if (!Native) return;
  const peers = [];
  Object.defineProperty(window, '__peers', { value: peers });
  window.RTCPeerConnection = class extends Native {
    constructor(...args) { super(...args); peers.push(this); }
  };
})();`;

/**
 * How long a press waits for its button to be there and to stand still, in milliseconds: four browsers that draw moving
 * pictures in software on two cores take their time.
 */
const patience = 90_000;

/**
 * What Chromium leaves alone. The first two are pages that it opens behind the address bar of each new window; they take more
 * of two cores for the next seconds than the page that the window was opened for, and who follows a link has a window already.
 * The others are Playwright's: a list of one's own takes the place of its list.
 */
const disabledFeatures = [
  'WebUIOmniboxPopup',
  'WebUIOmniboxAimPopup',
  'AimEnabled',
  'AvoidUnnecessaryBeforeUnloadCheckSync',
  'DestroyProfileOnBrowserClose',
  'HttpsFirstBalancedModeAutoEnable',
  'HttpsUpgrades',
  'LensOverlay',
  'MediaRouter',
  'NetworkTimeServiceQuerying',
  'OptimizationHints',
  'PaintHolding',
  'PreconnectToSearch',
  'ThirdPartyStoragePartitioning',
];

export async function openChromium(
  options: { args?: string[]; env?: NodeJS.ProcessEnv; program?: string } = {},
): Promise<Browser> {
  return chromium.launch({
    executablePath: options.program ?? '/usr/bin/chromium',
    env: options.env as Record<string, string> | undefined,
    args: [
      '--no-sandbox',
      '--use-fake-device-for-media-stream',
      '--use-fake-ui-for-media-stream',
      '--autoplay-policy=no-user-gesture-required',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--disable-quic',
      `--disable-features=${disabledFeatures.join(',')}`,
      ...(options.args ?? []),
    ],
  });
}

export async function chromiumPage(
  browser: Browser,
  options: Parameters<Browser['newContext']>[0] = {},
): Promise<Page> {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(patience);
  await context.addInitScript(keepPeers);
  return context.newPage();
}

export async function openFirefox(
  options: {
    env?: NodeJS.ProcessEnv;
    program?: string;
    /** At which it is driven. Default any. */
    port?: number;
    preferences?: Record<string, unknown>;
  } = {},
): Promise<FirefoxBrowser> {
  return puppeteer.launch({
    browser: 'firefox',
    executablePath: options.program ?? '/usr/bin/firefox-esr',
    headless: true,
    env: options.env,
    debuggingPort: options.port,
    extraPrefsFirefox: {
      'media.navigator.streams.fake': true,
      'media.navigator.permission.disabled': true,
      'media.autoplay.default': 0,
      'media.autoplay.blocking_policy': 0,
      'media.peerconnection.ice.loopback': true,
      ...options.preferences,
    },
  });
}

export async function firefoxPage(browser: FirefoxBrowser): Promise<FirefoxPage> {
  const page = await browser.newPage();
  page.setDefaultTimeout(patience);
  await page.evaluateOnNewDocument(keepPeers);
  return page;
}

/**
 * Presses a button of Firefox by its name. Not by a locator: that asks Firefox's accessibility tree, and then waits until
 * the button stands still for two animation frames; a page that draws three moving pictures in software may answer neither
 * for minutes. The names as a screen reader has them are Chromium's part of the tests.
 */
export async function pressFirefox(page: FirefoxPage, name: string): Promise<void> {
  await until(`Firefox shows the button ${name}`, () =>
    evaluate<boolean>(
      page,
      `(() => {
        const nameOf = (e) => (e.getAttribute('aria-label') ?? e.textContent).trim();
        const button = [...document.querySelectorAll('button')].find((e) => nameOf(e) === ${JSON.stringify(name)} && !e.disabled);
        button?.click();
        return button !== undefined;
      })()`,
    ),
  );
}

/** Types into the one field of a page before the call. */
export function typeName(page: AnyPage, name: string): Promise<void> {
  return evaluate<void>(
    page,
    `(() => {
      const field = document.querySelector('input');
      field.value = ${JSON.stringify(name)};
      field.dispatchEvent(new Event('input', { bubbles: true }));
    })()`,
  );
}

export type AnyPage = Page | FirefoxPage;

/** Evaluates an expression in a page of either browser. */
export function evaluate<T>(page: AnyPage, expression: string): Promise<T> {
  return (page as Page).evaluate(expression) as Promise<T>;
}

/** Tells a page that it is hidden, or in front again, as the browser does. */
export function showPage(page: AnyPage, visible: boolean): Promise<void> {
  return evaluate<void>(
    page,
    `(() => {
      const state = ${JSON.stringify(visible ? 'visible' : 'hidden')};
      Object.defineProperty(document, 'visibilityState', { get: () => state, configurable: true });
      Object.defineProperty(document, 'hidden', { get: () => state === 'hidden', configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    })()`,
  );
}

/** Peer connections that the page has made so far. */
export function peersMade(page: AnyPage): Promise<number> {
  return evaluate<number>(page, '(window.__peers || []).length');
}

/**
 * How much the picture in a participant's tile changes over half a second:
 * the mean absolute difference per colour channel (0 to 255) of a 32×18
 * sample, and its spread. A still or empty picture gives 0.
 */
export async function pictureOf(
  page: AnyPage,
  participant: string,
): Promise<{ change: number; spread: number }> {
  return evaluate(
    page,
    `(async () => {
      const tile = [...document.querySelectorAll('[role="group"]')].find((g) => g.getAttribute('aria-label') === ${JSON.stringify(participant)});
      if (!tile) return { change: 0, spread: 0 };
      const picture = tile.querySelector('video, canvas');
      if (!picture) return { change: 0, spread: 0 };
      const canvas = document.createElement('canvas');
      canvas.width = 32; canvas.height = 18;
      const context = canvas.getContext('2d', { willReadFrequently: true });
      const sample = () => { context.drawImage(picture, 0, 0, 32, 18); return context.getImageData(0, 0, 32, 18).data; };
      const first = sample().slice();
      let change = 0;
      for (let i = 0; i < 5; i++) {
        await new Promise((done) => setTimeout(done, 100));
        const next = sample();
        let sum = 0;
        for (let p = 0; p < next.length; p++) sum += Math.abs(next[p] - first[p]);
        change = Math.max(change, sum / next.length);
      }
      let low = 255, high = 0;
      for (let p = 0; p < first.length; p++) if (p % 4 !== 3) { low = Math.min(low, first[p]); high = Math.max(high, first[p]); }
      return { change, spread: high - low };
    })()`,
  );
}

/** Adds up a figure of the statistics of the page's peers (W3C webrtc-stats). */
async function total(page: AnyPage, type: string, kind: string, figure: string): Promise<number> {
  return evaluate(
    page,
    `(async () => {
      let sum = 0;
      for (const peer of window.__peers || []) {
        if (peer.connectionState === 'closed') continue;
        for (const report of (await peer.getStats()).values()) {
          if (report.type === '${type}' && report.kind === '${kind}') sum += report.${figure} || 0;
        }
      }
      return sum;
    })()`,
  );
}

/** The sound energy that all peers of the page have received. */
export const soundReceived = (page: AnyPage) =>
  total(page, 'inbound-rtp', 'audio', 'totalAudioEnergy');

/** How many packets of sound all peers of the page have sent. */
export const soundsSent = (page: AnyPage) => total(page, 'outbound-rtp', 'audio', 'packetsSent');

/** How many pictures all peers of the page have sent. */
export const picturesSent = (page: AnyPage) => total(page, 'outbound-rtp', 'video', 'framesSent');

/** How many pictures all peers of the page have coded, whether they were sent or not. */
export const picturesMade = (page: AnyPage) =>
  total(page, 'outbound-rtp', 'video', 'framesEncoded');

/** How many packets of pictures all peers of the page have received. */
export const picturePackets = (page: AnyPage) =>
  total(page, 'inbound-rtp', 'video', 'packetsReceived');

/** Notes when things happen in a page, in Unix milliseconds with fractions. */
export const clockwork = `(() => {
  const now = () => performance.timeOrigin + performance.now();
  const marks = {};
  const waiting = new Map();
  const mark = (name) => {
    if (name in marks) return;
    marks[name] = now();
    waiting.get(name)?.();
  };
  Object.defineProperty(window, '__marked', {
    value: (name, within) => new Promise((done, fail) => {
      if (name in marks) return done(marks[name]);
      waiting.set(name, () => done(marks[name]));
      setTimeout(() => fail(new Error('no mark "' + name + '" among ' + Object.keys(marks).join(', '))), within);
    }),
  });
  const nameOf = (e) => (e.getAttribute('aria-label') || e.textContent || '').trim();
  addEventListener('click', (event) => {
    const button = event.target.closest && event.target.closest('button');
    if (button) mark('pressed ' + nameOf(button));
  }, true);
  const watched = new WeakSet();
  const look = () => {
    for (const button of document.querySelectorAll('button')) {
      const name = nameOf(button);
      if (name === 'Join' && !button.disabled) mark('Join can be pressed');
      if (name.startsWith('Let in ')) mark('shown ' + name);
    }
    for (const video of document.querySelectorAll('[role="group"] video')) {
      if (watched.has(video)) continue;
      watched.add(video);
      const group = nameOf(video.closest('[role="group"]'));
      video.requestVideoFrameCallback(() => mark('drawn ' + group));
    }
  };
  const start = () => {
    look();
    new MutationObserver(look).observe(document, { subtree: true, childList: true, attributeFilter: ['disabled', 'aria-label'] });
  };
  if (document.documentElement) start(); else addEventListener('DOMContentLoaded', start);
})();`;

/**
 * When something happened in a page that runs the clockwork, or happens soon; in Unix milliseconds. The page is asked once:
 * to ask it again and again would take part in what is measured.
 */
export function markedAt(page: AnyPage, mark: string, within = 20_000): Promise<number> {
  return evaluate(page, `window.__marked(${JSON.stringify(mark)}, ${within})`);
}
