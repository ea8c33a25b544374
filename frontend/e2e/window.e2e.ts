// The production build in a real window: no browser protocol, no test build.
// It is pressed with a mouse, looked at through screenshots, and heard through
// the sound card.
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chromiumPage, openChromium, soundReceived } from './lab/browsers.js';
import { askToJoin, controls } from './lab/guest.js';
import { type App, Lab, root } from './lab/lab.js';
import { until } from './lab/processes.js';
import { createLinkByMouse, difference, findColour, saveScreen, screen } from './lab/screen.js';
import { loudest, speak } from './lab/sound.js';

// The ground of the picture that Chromium's fake camera shows.
const fakeCamera: [number, number, number] = [0, 136, 0];

let lab: Lab;
let app: App;
let chromium: Browser;
let guest: Page;

beforeAll(async () => {
  lab = await Lab.open({ notifications: true, sound: true, windowManager: true });
  app = await lab.startApp({ dev: false, synthetic: false });
  chromium = await openChromium();
  guest = await chromiumPage(chromium);
});

afterAll(async () => {
  if (lab) await saveScreen(lab, join(root, 'build', 'window-at-end.png')).catch(() => undefined);
  await chromium?.close();
  await lab?.close();
});

let address: string;

test('the window opens; Create Link and Copy are pressed in it', async () => {
  await until('the window is there', () =>
    lab.run('xdotool', 'search', '--onlyvisible', '--name', 'Porch'),
  );
  address = await createLinkByMouse(lab);
  expect(address).toContain(`:${app.relayPort}/j/`);
});

test('a guest is let in from the notification, and their picture moves in the window', async () => {
  await askToJoin(guest, address, 'Ada');
  await lab.pressNotification('Let in');
  await controls(guest).waitFor();
  const moved = await until('the picture in the window moves', async () => {
    const before = screen(lab);
    await new Promise((done) => setTimeout(done, 400)); // the time over which the picture is to have moved
    const after = screen(lab);
    // It is the guest's camera that is drawn, large, and not something of ours that moves.
    if ([before, after].some((shot) => (findColour(shot, fakeCamera, 14)?.area ?? 0) < 100_000))
      return 0;
    const change = difference(before, after);
    return change > 0.005 ? change : 0;
  });
  expect(moved).toBeGreaterThan(0.005);
  await saveScreen(lab, join(root, 'build', 'window-in-call.png'));
});

test('the speaker plays the guest’s tone', async () => {
  const heard = await until('the tone is heard', async () => {
    const level = await loudest(lab, 'porch_speaker.monitor', 2_000);
    return level > 0.01 ? level : 0;
  });
  expect(heard).toBeGreaterThan(0.01);
});

test('the guest hears the host’s microphone', async () => {
  const energy = async (milliseconds: number) => {
    const before = await soundReceived(guest);
    await new Promise((done) => setTimeout(done, milliseconds)); // the time over which energy is counted
    return (await soundReceived(guest)) - before;
  };
  const silence = await energy(2_000);
  const voice = await speak(lab);
  const speech = await until('the voice is heard', async () => {
    const got = await energy(2_000);
    return got > 20 * silence + 1e-4 ? got : 0;
  });
  await voice.stop();
  expect(speech).toBeGreaterThan(silence);
});

test('the window becomes small and stays above the others, and large again', async () => {
  const id = (await windowsShown()).split('\n')[0] as string;
  const size = async () => {
    const text = await lab.run('xdotool', 'getwindowgeometry', '--shell', id);
    return ['WIDTH', 'HEIGHT'].map((side) => Number(new RegExp(`${side}=(\\d+)`).exec(text)?.[1]));
  };
  const above = async () =>
    (await lab.run('xprop', '-id', id, '_NET_WM_STATE')).includes('_NET_WM_STATE_ABOVE');
  const before = await size();
  await lab.run('xdotool', 'windowactivate', '--sync', id);
  await lab.run('xdotool', 'key', 'w');
  await until('it is small', async () => {
    const [width = 0, height = 0] = await size();
    return width < 420 && height < 320;
  });
  await until('it stays above', above);
  // All of it is the guest's picture.
  await until(
    'the guest is seen in it',
    () => (findColour(screen(lab), fakeCamera, 14)?.area ?? 0) > 20_000,
  );
  await saveScreen(lab, join(root, 'build', 'window-compact.png'));
  await lab.run('xdotool', 'key', 'w');
  await until('it is as before', async () => (await size()).join() === before.join());
  await until('it no longer stays above', async () => !(await above()));
});

/** Starts Porch once more on the same data, and waits until that second one has ended. */
async function startAgain(): Promise<void> {
  const second = lab.processes.start('porch-again', join(root, 'build', 'bin', 'porch'), [], {
    PORCH_DATA_DIR: app.data,
    PORCH_LISTEN: `127.0.0.1:${app.relayPort}`,
  });
  await until('the second one has ended', () => second.child.exitCode !== null);
}

const windowsShown = async () =>
  (await lab.run('xdotool', 'search', '--onlyvisible', '--name', 'Porch').catch(() => '')).trim();

test('closing the window keeps the link answering, and starting again brings it back', async () => {
  await guest.getByRole('button', { name: 'Leave', exact: true }).click();
  const shown = (await windowsShown()).split('\n')[0] as string;
  await lab.run('xdotool', 'windowactivate', '--sync', shown);
  await lab.run('xdotool', 'key', 'alt+F4');
  await until('the window is put away', async () => (await windowsShown()) === '');
  expect(app.started.child.exitCode).toBeNull();
  expect((await fetch(address)).ok).toBe(true);

  await startAgain();
  await until('the window is back', async () => (await windowsShown()) !== '');
  expect(app.started.child.exitCode).toBeNull();
});
