// Every state of a device, in the host's window and on a guest's page: what the system takes away, what is pulled out and
// plugged in again, what another program has. The other side has to know within a second.
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumPage, openChromium, pictureOf, soundReceived } from './lab/browsers.js';
import { askToJoin, controls } from './lab/guest.js';
import { createLink, letIn } from './lab/host.js';
import { type App, Lab } from './lab/lab.js';
import { until } from './lab/processes.js';

/** How long until the others know, in milliseconds: a second, and what a test takes to look. */
const soon = 1300;

/**
 * Gives a page devices that a test takes away and brings back. Chromium's own open and list; what is gone is left out, and
 * what is done to a track is what the system does: its state, then its event.
 */
const desk = `(() => {
  const { mediaDevices } = navigator;
  const open = mediaDevices.getUserMedia.bind(mediaDevices);
  const list = mediaDevices.enumerateDevices.bind(mediaDevices);
  const tracks = [];
  const gone = new Set();
  const self = {
    asked: [],
    gone,
    wrong: { audio: '', video: '' },
    live: (kind) => tracks.filter((track) => track.kind === kind && track.readyState === 'live'),
    own: (kind) => tracks.findLast((track) => track.kind === kind),
    system(kind, type) {
      const track = self.own(kind);
      if (type === 'ended') track.stop();
      else Object.defineProperty(track, 'muted', { value: type === 'mute', configurable: true });
      track.dispatchEvent(new Event(type));
    },
    changed: () => mediaDevices.dispatchEvent(new Event('devicechange')),
  };
  Object.defineProperty(window, '__desk', { value: self });
  mediaDevices.enumerateDevices = async () =>
    (await list()).filter(({ deviceId, kind }) => !gone.has(deviceId) && !gone.has(kind));
  mediaDevices.getUserMedia = async (wanted) => {
    for (const kind of ['audio', 'video']) {
      if (!wanted[kind]) continue;
      const id = wanted[kind].deviceId?.exact ?? '';
      self.asked.push(kind + ' ' + id);
      if (self.wrong[kind]) throw new DOMException('not now', self.wrong[kind]);
      if (gone.has(kind + 'input')) throw new DOMException('none', 'NotFoundError');
      if (gone.has(id)) throw new OverconstrainedError('deviceId');
    }
    const stream = await open(wanted);
    tracks.push(...stream.getTracks());
    return stream;
  };
})();`;

interface Desk {
  asked: string[];
  gone: Set<string>;
  wrong: { audio: string; video: string };
  live(kind: string): MediaStreamTrack[];
  own(kind: string): MediaStreamTrack;
  system(kind: string, type: 'mute' | 'unmute' | 'ended'): void;
  changed(): void;
}
declare const __desk: Desk;

let lab: Lab;
let app: App;
let chromium: Browser;
let host: Page;
let ada: Page;

beforeAll(async () => {
  lab = await Lab.open();
  app = await lab.startApp({ dev: true, synthetic: false });
  chromium = await openChromium();
  [host, ada] = [await newPage(), await newPage()];
  await host.goto(app.url);
  const address = await createLink(lab, host);
  await askToJoin(ada, address, 'Ada');
  await letIn(host, 'Ada');
  for (const page of [host, ada]) await controls(page).waitFor();
  await until(
    'both are heard',
    async () => (await soundReceived(host)) > 0 && (await soundReceived(ada)) > 0,
  );
});

afterAll(async () => {
  await chromium?.close();
  await lab?.close();
});

async function newPage(): Promise<Page> {
  const page = await chromiumPage(chromium, { viewport: { width: 900, height: 640 } });
  await page.context().addInitScript(desk);
  page.setDefaultTimeout(15_000);
  return page;
}

const alerts = async (page: Page) =>
  (await page.getByRole('alert').allInnerTexts()).filter((text) => text !== '');

/** What a page says of a participant, as a screen reader hears it. */
const stateOf = async (page: Page, name: string) =>
  (await page.getByRole('group', { name, exact: true }).getAttribute('aria-description')) ?? '';

/** Waits until the other side says so of who has the device, and returns after how many milliseconds. */
async function told(page: Page, name: string, state: string): Promise<number> {
  const since = Date.now();
  await until(
    `${name} is ${state || 'heard and seen'}`,
    async () => (await stateOf(page, name)) === state,
    {
      within: soon,
      every: 20,
    },
  );
  return Date.now() - since;
}

/** What guests call the host. */
async function hostName(): Promise<string> {
  const names = await ada.getByRole('group').evaluateAll((all) => all.map((e) => e.ariaLabel));
  return names.find((name) => name !== 'Ada')!;
}

const system = (page: Page, kind: string, type: 'mute' | 'unmute' | 'ended') =>
  page.evaluate(([k, t]) => __desk.system(k!, t as 'mute'), [kind, type]);
const asked = (page: Page) => page.evaluate(() => __desk.asked.length);
const using = (page: Page, kind: string) =>
  page.evaluate((k) => __desk.live(k).map((track) => track.getSettings().deviceId), kind);

/** Who has the devices, as the other side calls them, and the other side. */
const sides = [
  ['a guest', () => ({ own: ada, other: host, name: 'Ada' })],
  ['the host', () => ({ own: host, other: ada, name: 'Host' })],
] as const;

describe.each(sides)('of %s', (_, side) => {
  let own: Page;
  let other: Page;
  let name: string;
  beforeAll(async () => {
    ({ own, other, name } = side());
    if (own === host) name = await hostName();
  });

  test('a microphone that the system holds counts as muted, and comes back by itself', async () => {
    await told(other, name, '');
    const before = await asked(own);
    await system(own, 'audio', 'mute');
    const took = await told(other, name, 'muted');
    expect(took).toBeGreaterThan(300);
    await own.getByText('Your system is holding the microphone').waitFor();
    await controls(own).getByRole('button', { name: 'Unmute' }).waitFor();
    await system(own, 'audio', 'unmute');
    await told(other, name, '');
    await until('nothing is said any more', async () => (await alerts(own)).length === 0);
    expect(await asked(own)).toBe(before + 1);
    expect(await own.evaluate(() => __desk.live('audio').length)).toBe(1);
    const heard = await soundReceived(other);
    await until('it is heard', async () => (await soundReceived(other)) > heard);
  });

  test('a hiccup of the system is no news', async () => {
    const before = await asked(own);
    await system(own, 'audio', 'mute');
    await system(own, 'audio', 'unmute');
    await new Promise((done) => setTimeout(done, 700));
    expect([await stateOf(other, name), await asked(own)]).toEqual(['', before]);
  });

  test('a camera that the system holds counts as off, and is back when the page is looked at', async () => {
    await system(own, 'video', 'mute');
    await told(other, name, 'camera off');
    await own.getByText('Your system is holding the camera').waitFor();
    await own.evaluate(() => void document.dispatchEvent(new Event('visibilitychange')));
    await told(other, name, '');
    await until('the picture moves', async () => (await pictureOf(other, name)).change > 0);
    expect(await own.evaluate(() => __desk.live('video').length)).toBe(1);
  });

  test('what is held can be taken back with the button, too', async () => {
    await system(own, 'audio', 'mute');
    await told(other, name, 'muted');
    await own.getByRole('button', { name: 'Try again' }).click();
    await told(other, name, '');
    expect(await alerts(own)).toEqual([]);
  });

  test.each([
    ['the track ends first', ['ended', 'changed']],
    ['the list changes first', ['changed', 'ended']],
  ] as const)('a headset that is pulled out is replaced, and taken again: %s', async (_, order) => {
    await own.getByRole('button', { name: 'Camera and sound' }).click();
    const dialog = own.getByRole('dialog', { name: 'Camera and sound' });
    const picker = dialog.getByRole('combobox', { name: 'Microphone' });
    await picker.selectOption({ label: 'Fake Audio Input 2' });
    const headset = await picker.inputValue();
    await until('it is open', async () => (await using(own, 'audio')).join() === headset);
    await own.evaluate(
      async ([id, events]) => {
        __desk.gone.add(id);
        const track = __desk.own('audio');
        for (const event of events) {
          if (event === 'changed') __desk.changed();
          else if (track.readyState === 'live') __desk.system('audio', 'ended');
          await new Promise((done) => setTimeout(done, 50));
        }
      },
      [headset, [...order]] as const,
    );
    await until(
      'the default is open',
      async () => (await using(own, 'audio')).join() === 'default',
      {
        within: soon,
      },
    );
    await told(other, name, '');
    await own.getByText('The chosen microphone is not connected').waitFor();
    expect(await alerts(own)).toEqual([]);
    expect(await picker.inputValue()).toBe(headset);
    expect(await picker.locator(':checked').textContent()).toBe('Not connected now');
    const before = await asked(own);
    await own.evaluate((id) => {
      __desk.gone.delete(id);
      __desk.changed();
    }, headset);
    await until('it is taken again', async () => (await using(own, 'audio')).join() === headset);
    expect(await asked(own)).toBe(before + 1);
    expect(await picker.locator(':checked').textContent()).toBe('Fake Audio Input 2');
    await told(other, name, '');
    await picker.selectOption({ label: 'System default' });
    await until(
      'the default is open',
      async () => (await using(own, 'audio')).join() === 'default',
    );
    await own.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
  });

  test('with nothing plugged in one is muted, and heard as soon as there is something', async () => {
    await own.evaluate(() => {
      __desk.gone.add('audioinput');
      __desk.changed();
      __desk.system('audio', 'ended');
    });
    await told(other, name, 'muted');
    await own.getByText('The microphone stopped').waitFor();
    await own.evaluate(() => {
      __desk.gone.delete('audioinput');
      __desk.changed();
    });
    await told(other, name, '');
    expect(await alerts(own)).toEqual([]);
  });

  test('what another program has is tried again by itself, and with one button', async () => {
    await own.evaluate(() => {
      __desk.wrong.video = 'NotReadableError';
      __desk.system('video', 'ended');
    });
    await told(other, name, 'camera off');
    await own.getByText('another program may be using it').waitFor();
    const before = await asked(own);
    await until('it is tried again', async () => (await asked(own)) > before + 1, {
      within: 6_000,
    });
    // In one go: meanwhile it would be tried by itself.
    await own.getByRole('button', { name: 'Try again' }).evaluate((button: HTMLButtonElement) => {
      __desk.wrong.video = '';
      button.click();
    });
    await told(other, name, '');
    await until('the picture moves', async () => (await pictureOf(other, name)).change > 0);
  });

  test('what the person refuses is not asked for again before it is allowed', async () => {
    await own.evaluate(() => {
      __desk.wrong.audio = 'NotAllowedError';
      __desk.system('audio', 'ended');
    });
    await told(other, name, 'muted');
    const before = await asked(own);
    await own.evaluate(() => {
      __desk.changed();
      document.dispatchEvent(new Event('visibilitychange'));
    });
    await new Promise((done) => setTimeout(done, 500));
    expect(await asked(own)).toBe(before);
    await own.evaluate(() => {
      __desk.wrong.audio = '';
    });
    await own.getByRole('button', { name: 'Try again' }).click();
    await told(other, name, '');
  });

  test('whoever has muted themselves is still muted when a device comes back', async () => {
    await controls(own).getByRole('button', { name: 'Mute', exact: true }).click();
    await told(other, name, 'muted');
    await own.evaluate(() => {
      __desk.gone.add('audioinput');
      __desk.changed();
      __desk.system('audio', 'ended');
    });
    await own.getByText('The microphone stopped').waitFor();
    // A word to the room that nobody can hear, and hands off again.
    await own.evaluate(() => (document.activeElement as HTMLElement).blur());
    await own.keyboard.down(' ');
    await own.keyboard.up(' ');
    await own.evaluate(() => {
      __desk.gone.delete('audioinput');
      __desk.changed();
    });
    await until('the microphone is back', async () => (await alerts(own)).length === 0);
    await told(other, name, 'muted');
    expect(await own.evaluate(() => __desk.own('audio').enabled)).toBe(false);
    await controls(own).getByRole('button', { name: 'Unmute' }).click();
    await told(other, name, '');
  });

  test('what plays and is paused plays again, but is not played over and over', async () => {
    const paused = () =>
      own.evaluate(
        () =>
          [...document.querySelectorAll('audio, video')].filter(
            (e) => (e as HTMLMediaElement).paused,
          ).length,
      );
    await own.evaluate(() => {
      for (const e of document.querySelectorAll<HTMLMediaElement>('audio, video')) e.pause();
    });
    await until('everything plays', async () => (await paused()) === 0, { within: 2_000 });
    const tries = await own.evaluate(async () => {
      const audio = document.querySelector('audio')!;
      let tries = 0;
      const play = audio.play.bind(audio);
      // A phone call: whatever begins to play is paused again.
      audio.play = async () => {
        tries++;
        await play();
        audio.pause();
      };
      audio.pause();
      await new Promise((done) => setTimeout(done, 7000));
      const during = tries;
      audio.play = play;
      document.dispatchEvent(new Event('visibilitychange'));
      return during;
    });
    expect(tries).toBeLessThanOrEqual(3);
    await until('it plays', async () => (await paused()) === 0, { within: 2_000 });
  });

  test('a speaker that is pulled out is replaced by the default, and taken again', async () => {
    const sinks = () =>
      own.evaluate(() => [...document.querySelectorAll('audio')].map((e) => e.sinkId).join());
    await own.getByRole('button', { name: 'Camera and sound' }).click();
    const dialog = own.getByRole('dialog', { name: 'Camera and sound' });
    const picker = dialog.getByRole('combobox', { name: 'Speaker' });
    await picker.selectOption({ label: 'Fake Audio Output 2' });
    const speaker = await picker.inputValue();
    await until('it plays there', async () => (await sinks()) === speaker);
    await own.evaluate((id) => {
      __desk.gone.add(id);
      __desk.changed();
    }, speaker);
    await until('the default plays', async () => (await sinks()) === '', { within: soon });
    expect(await picker.inputValue()).toBe(speaker);
    await own.evaluate((id) => {
      __desk.gone.delete(id);
      __desk.changed();
    }, speaker);
    await until('it plays there again', async () => (await sinks()) === speaker, { within: soon });
    await picker.selectOption({ label: 'System default' });
    await own.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
  });
});

test('what the host has chosen stays in the settings while it is away', async () => {
  const settings = host.getByRole('dialog', { name: 'Camera and sound' });
  await host.getByRole('button', { name: 'Camera and sound' }).click();
  const picker = settings.getByRole('combobox', { name: 'Microphone' });
  await picker.selectOption({ label: 'Fake Audio Input 1' });
  const headset = await picker.inputValue();
  await until('it is open', async () => (await using(host, 'audio')).join() === headset);
  await host.evaluate((id) => {
    __desk.gone.add(id);
    __desk.system('audio', 'ended');
    __desk.changed();
  }, headset);
  await until('the default is open', async () => (await using(host, 'audio')).join() === 'default');
  // A window that is opened anew has the settings from the app.
  await host.reload();
  await host.evaluate((id) => {
    __desk.gone.add(id);
  }, headset);
  await host.getByRole('button', { name: 'Camera and sound' }).click();
  await picker.waitFor();
  expect(await picker.inputValue()).toBe(headset);
});
