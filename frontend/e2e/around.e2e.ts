// Around the call, on the real app: how it is seen, by the host and by guests in Chromium, in Firefox and on a phone.
import type { Browser, Page } from 'playwright-core';
import type { Browser as FirefoxBrowser, Page as FirefoxPage } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { seriousOn } from './lab/axe.js';
import {
  chromiumPage,
  evaluate,
  firefoxPage,
  openChromium,
  openFirefox,
  pictureOf,
  pressFirefox,
  showPage,
} from './lab/browsers.js';
import { controls, knock } from './lab/guest.js';
import { createLink, letIn } from './lab/host.js';
import { Lab } from './lab/lab.js';
import { until } from './lab/processes.js';
import { devicesOf, people } from './people.js';

let lab: Lab;
let chromium: Browser;
let firefox: FirefoxBrowser;
let host: Page;
let ada: Page;
let boris: FirefoxPage;
let address: string;

beforeAll(async () => {
  lab = await Lab.open();
  const app = await lab.startApp({ dev: true, synthetic: false });
  [chromium, firefox] = await Promise.all([
    openChromium({ args: ['--disable-gpu'] }), // not one that is itself played in software
    openFirefox(),
  ]);
  host = await page('host');
  await host.goto(app.url);
  await host.evaluate("window.go.main.App.SetName('Sam')");
  address = await createLink(lab, host);
  ada = await page('grandma', { viewport: { width: 390, height: 844 }, hasTouch: true });
  await knock(ada, address, 'Ada');
  await letIn(host, 'Ada');
  await controls(ada).waitFor();
});

afterAll(async () => {
  await firefox?.close();
  await chromium?.close();
  await lab?.close();
});

async function page(
  who: keyof typeof people,
  options: Parameters<typeof chromiumPage>[1] = { viewport: { width: 1000, height: 700 } },
): Promise<Page> {
  const page = await chromiumPage(chromium, options);
  await page.addInitScript(devicesOf(people[who], false));
  return page;
}

const tile = (page: Page, name: string) => page.getByRole('group', { name, exact: true });
const areaOf = async (page: Page, name: string) => {
  const box = await tile(page, name).boundingBox();
  return box ? box.width * box.height : 0;
};
const press = (page: Page, name: string) =>
  controls(page).getByRole('button', { name, exact: true }).click();

/** Presses an item of a menu of the toolbar, which a narrow screen has behind More controls. */
async function choose(page: Page, menu: string, item: string): Promise<void> {
  const more = controls(page).getByRole('button', { name: 'More controls' });
  if ((await more.isVisible()) && (await more.getAttribute('aria-expanded')) === 'false')
    await more.click();
  await press(page, menu);
  await page.getByRole('menu', { name: menu }).getByRole('menuitem', { name: item }).click();
}

const seesMoving = (page: Page | FirefoxPage, who: string) =>
  until(`${who} moves`, async () => {
    const { change, spread } = await pictureOf(page, who);
    return change > 0.3 && spread > 20;
  });

describe('views', () => {
  test('the own picture is put into another corner by a finger, and by its button', async () => {
    await seesMoving(ada, 'Sam');
    const own = tile(ada, 'Ada');
    const at = async () => {
      const box = (await own.boundingBox())!;
      return `${box.y < 400 ? 'top' : 'bottom'} ${box.x < 150 ? 'left' : 'right'}`;
    };
    expect(await at()).toBe('top right');
    const box = (await own.boundingBox())!;
    await ada.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await ada.mouse.down();
    await ada.mouse.move(80, 600, { steps: 4 });
    await ada.mouse.up();
    await until('it is there', async () => (await at()) === 'bottom left');
    await own.getByRole('button', { name: 'Move my picture' }).focus();
    await ada.keyboard.press('Enter');
    await until('it is at the next one', async () => (await at()) === 'top left');
  });

  test('one is large, and all are alike again, with the mouse, on a phone and in Firefox', async () => {
    boris = await firefoxPage(firefox);
    await boris.goto(address);
    await boris.locator('aria/Your name[role="textbox"]').fill('Boris');
    await pressFirefox(boris, 'Join');
    await letIn(host, 'Boris');
    for (const page of [host, ada]) {
      await tile(page, 'Boris').waitFor();
      await choose(page, 'View', 'Speaker');
      await until('one is large', async () => {
        const areas = await Promise.all(['Sam', 'Ada', 'Boris'].map((name) => areaOf(page, name)));
        areas.sort((a, b) => b - a);
        return areas[0]! > 3 * areas[1]!;
      });
      await choose(page, 'View', 'Grid');
      await until('all are alike', async () => {
        const areas = await Promise.all(['Sam', 'Ada', 'Boris'].map((name) => areaOf(page, name)));
        return Math.max(...areas) < 1.8 * Math.min(...areas);
      });
    }
    await tile(host, 'Ada').hover();
    await tile(host, 'Ada').getByRole('button', { name: 'Pin Ada' }).click();
    await until('Ada is large', async () => {
      return (await areaOf(host, 'Ada')) > 3 * (await areaOf(host, 'Boris'));
    });
    await tile(host, 'Ada').getByRole('button', { name: 'Unpin Ada' }).click();
    await until('Firefox has the menu', async () => {
      await pressFirefox(boris, 'View');
      return evaluate<boolean>(boris, `document.querySelector('[role=menu]') !== null`);
    });
    await pressFirefox(boris, 'Speaker');
    await until('one is large in Firefox', () =>
      evaluate<boolean>(
        boris,
        `(() => {
          const areas = [...document.querySelectorAll('.tile')].map((t) => t.clientWidth * t.clientHeight).sort((a, b) => b - a);
          return areas.length === 3 && areas[0] > 3 * areas[1];
        })()`,
      ),
    );
  });

  test('the whole screen is filled, from the menu and by a key', async () => {
    await choose(host, 'View', 'Full screen');
    await until('it is', () => host.evaluate('document.fullscreenElement !== null'));
    await host.locator('main').press('f');
    await until('it is not', () => host.evaluate('document.fullscreenElement === null'));
  });

  test('a small window above the others has the picture, and mutes and leaves; what it shows is sent to a hidden page', async () => {
    const [room] = await Promise.all([
      host.context().waitForEvent('page'),
      choose(host, 'View', 'Picture in picture'),
    ]);
    await room.getByRole('group').first().waitFor();
    await showPage(host, false);
    await until('its picture moves', () =>
      room.evaluate<boolean>(`(async () => {
        const video = document.querySelector('video');
        const before = video.getVideoPlaybackQuality().totalVideoFrames;
        await new Promise((done) => setTimeout(done, 3000));
        return video.videoWidth > 0 && video.getVideoPlaybackQuality().totalVideoFrames > before + 2;
      })()`),
    );
    await showPage(host, true);
    expect(await seriousOn(room, 'everything')).toEqual([]);
    await room
      .getByRole('button', { name: 'Unmute' })
      .or(room.getByRole('button', { name: 'Mute' }))
      .click();
    await room.close();
    await controls(host).waitFor();
  });

  test('pass axe on a phone, with everything open', async () => {
    await press(ada, 'View');
    await ada.getByRole('menu', { name: 'View' }).waitFor();
    expect(await seriousOn(ada, 'everything')).toEqual([]);
    await ada.keyboard.press('Escape');
  });
});

describe('without words', () => {
  const reaction = (page: Page | FirefoxPage) =>
    evaluate<string>(page, `document.querySelector('.reactions')?.textContent ?? ''`);

  test('a reaction floats on every screen and is said politely', async () => {
    await choose(ada, 'React', 'Applause');
    for (const page of [host, ada, boris])
      await until('it floats', async () => (await reaction(page)).includes('👏'));
    await host.getByRole('status').filter({ hasText: 'Ada: Applause' }).waitFor();
    await until('it has gone', async () => (await reaction(host)) === '');
    await host.emulateMedia({ reducedMotion: 'reduce' });
    await until('Firefox has the menu', async () => {
      await pressFirefox(boris, 'React');
      return evaluate<boolean>(boris, `document.querySelector('[role=menu]') !== null`);
    });
    await pressFirefox(boris, 'Heart');
    const text = host.getByRole('status').filter({ hasText: 'Boris: Heart' });
    await text.waitFor();
    expect((await text.boundingBox())!.width).toBeGreaterThan(50);
    expect(await host.locator('.reactions').isVisible()).toBe(false);
    await host.emulateMedia({ reducedMotion: null });
  });

  test('hands have an order, which the host sees, and either lowers them', async () => {
    await pressFirefox(boris, 'Raise hand');
    await press(host, 'People');
    const panel = host.getByRole('complementary', { name: 'People' });
    await panel.getByText('hand raised, 1').waitFor();
    await press(ada, 'Raise hand');
    await panel.getByText('hand raised, 2').waitFor();
    await panel.getByRole('button', { name: 'More about Boris' }).click();
    await host.getByRole('menuitem', { name: 'Lower Boris’s hand' }).click();
    await until('Boris reads it', () =>
      evaluate<boolean>(boris, `document.body.innerText.includes('The host lowered your hand')`),
    );
    await panel.getByText('hand raised, 1').waitFor();
    await press(ada, 'Lower hand');
    await panel.getByText('hand raised').waitFor({ state: 'detached' });
  });

  test('whom the host puts into the spotlight is large for all', async () => {
    const panel = host.getByRole('complementary', { name: 'People' });
    await panel.getByRole('button', { name: 'More about Ada' }).click();
    await host.getByRole('menuitem', { name: 'Spotlight Ada' }).click();
    await ada.getByRole('status').filter({ hasText: 'You are in the spotlight' }).waitFor();
    await until('Ada is large in Firefox', () =>
      evaluate<boolean>(
        boris,
        `(() => {
          const areas = [...document.querySelectorAll('.tile')].map((t) => [t.clientWidth * t.clientHeight, t.getAttribute('aria-label')]).sort((a, b) => b[0] - a[0]);
          return areas[0][1] === 'Ada' && areas[0][0] > 3 * areas[1][0];
        })()`,
      ),
    );
    await until('Ada is large on the phone', async () => {
      return (await areaOf(ada, 'Ada')) > 3 * (await areaOf(ada, 'Boris'));
    });
    for (const page of [host, ada]) expect(await seriousOn(page, 'everything')).toEqual([]);
    await panel.getByRole('button', { name: 'More about Ada' }).click();
    await host.getByRole('menuitem', { name: 'End spotlight' }).click();
    await until('all are alike', async () => {
      return (await areaOf(ada, 'Ada')) < 1.8 * (await areaOf(ada, 'Boris'));
    });
    await press(host, 'People');
  });
});

describe('the chat', () => {
  const write = async (page: Page, text: string) => {
    const box = page.getByRole('textbox', { name: 'Message' });
    await box.fill(text);
    await box.press('Enter');
  };
  const lines = (page: Page) => page.getByRole('log', { name: 'Chat' });

  test('addresses can be opened, by the host in the system’s browser; nothing else can', async () => {
    lab.handleScheme('https');
    await press(ada, 'Chat');
    await write(ada, 'See https://porch.example/a?b=c. Not javascript:alert(1)');
    await press(host, 'Chat');
    const link = lines(host).getByRole('link');
    expect(await link.count()).toBe(1);
    expect(await link.getAttribute('href')).toBe('https://porch.example/a?b=c');
    expect(await link.getAttribute('rel')).toBe('noopener noreferrer');
    await lines(host).getByText('New', { exact: true }).waitFor();
    await link.click();
    const opened = await until('the browser opens', () => lab.handled('https'));
    expect(opened.trim()).toBe('https://porch.example/a?b=c');
  });

  test('an emoji is put in where one writes, a line is copied, and lines are there after a reload', async () => {
    const box = host.getByRole('textbox', { name: 'Message' });
    await box.fill('Hello !');
    await box.press('ArrowLeft');
    await host.getByRole('button', { name: 'Emoji' }).click();
    await host.getByRole('menuitem', { name: '🎉' }).click();
    await box.press('Enter');
    await lines(ada).getByText('Hello 🎉!').waitFor();
    await ada.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await lines(ada).getByText('Hello 🎉!').hover();
    await lines(ada).getByRole('button', { name: 'Copy message' }).last().click();
    await lines(ada).getByRole('button', { name: 'Copied' }).waitFor();
    expect(await ada.evaluate('navigator.clipboard.readText()')).toBe('Hello 🎉!');
    expect(await seriousOn(ada, 'everything')).toEqual([]);
    await ada.reload();
    await controls(ada).waitFor();
    await press(ada, 'Chat');
    await lines(ada).getByText('Hello 🎉!').waitFor();
    await ada.getByRole('button', { name: 'Close' }).click();
  });

  test('newcomers read what was said before only if the host allows it', async () => {
    const join = async (name: string) => {
      const cleo = await page('sister', { viewport: { width: 390, height: 844 } });
      await knock(cleo, address, name);
      await letIn(host, name);
      await controls(cleo).waitFor();
      await press(cleo, 'Chat');
      await cleo.getByRole('complementary', { name: 'Chat' }).waitFor();
      return cleo;
    };
    const cleo = await join('Cleo');
    await cleo.getByText('What you write here').waitFor();
    await host.getByRole('switch', { name: 'Newcomers can read earlier messages' }).click();
    await cleo.close();
    const dana = await join('Dana');
    await lines(dana).getByText('Hello 🎉!').waitFor();
    await dana.close();
    expect(await seriousOn(host, 'everything')).toEqual([]);
  });
});

describe('sound', () => {
  // Keeps what the page opens: its settings say what is done to the sound.
  const keepTracks = `(() => {
    const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    window.__tracks = [];
    window.__asked = [];
    navigator.mediaDevices.getUserMedia = async (wanted) => {
      if (wanted.audio) window.__asked.push(wanted.audio);
      const stream = await open(wanted);
      window.__tracks.push(...stream.getAudioTracks());
      return stream;
    };
  })()`;
  const settings = (page: Page | FirefoxPage) =>
    evaluate<MediaTrackSettings>(
      page,
      `(() => {
        const { echoCancellation, noiseSuppression, autoGainControl } = window.__tracks.filter((t) => t.readyState === 'live').at(-1).getSettings();
        return { echoCancellation, noiseSuppression, autoGainControl };
      })()`,
    );

  test('is tried before the call, and its switches are true, in Chromium', async () => {
    const eve = await chromiumPage(chromium, { viewport: { width: 390, height: 844 } });
    await eve.addInitScript(keepTracks);
    await eve.goto(address);
    await eve.getByText('Camera and sound').click();
    await eve.getByRole('button', { name: 'Test speaker' }).click();
    await eve.getByRole('status').filter({ hasText: 'Do you hear two notes?' }).waitFor();
    await eve.getByText('Do you hear two notes?').waitFor({ state: 'detached' });
    await eve.getByRole('button', { name: 'Test microphone' }).click();
    await eve.getByRole('status').filter({ hasText: 'Say something' }).waitFor();
    await eve.getByRole('status').filter({ hasText: 'This is how you sound' }).waitFor();
    expect(await settings(eve)).toEqual({
      echoCancellation: true,
      noiseSuppression: true,
      autoGainControl: true,
    });
    await eve.getByRole('switch', { name: 'Noise suppression' }).click();
    await until('noise is kept', async () => {
      const { noiseSuppression, autoGainControl } = await settings(eve);
      return noiseSuppression === false && autoGainControl === true;
    });
    await eve.getByRole('switch', { name: 'Music mode' }).click();
    await until('nothing is done', async () =>
      Object.values(await settings(eve)).every((on) => !on),
    );
    expect(await seriousOn(eve, 'everything')).toEqual([]);
    await eve.getByRole('textbox', { name: 'Your name' }).fill('Eve');
    await eve.getByRole('button', { name: 'Join', exact: true }).click();
    await letIn(host, 'Eve');
    const sends = (what: string) =>
      until(`sound goes out ${what}`, () =>
        eve.evaluate<boolean>(`(async () => {
          const stats = [];
          for (const peer of window.__peers) stats.push(...(await peer.getStats()).values());
          const sent = stats.find((s) => s.type === 'outbound-rtp' && s.kind === 'audio');
          const codec = stats.find((s) => s.id === sent?.codecId);
          return sent?.packetsSent > 0 && (codec?.sdpFmtpLine ?? '').includes('stereo=1') === ${what === 'in stereo'};
        })()`),
      );
    await sends('in stereo');
    await eve.close();
  });

  test('has true switches in Firefox', async () => {
    const page = await firefoxPage(firefox);
    await page.evaluateOnNewDocument(keepTracks);
    await page.goto(address);
    await until('the choice is there', () =>
      evaluate<boolean>(
        page,
        `(document.querySelector('summary')?.click(), document.querySelector('[role=switch]') !== null)`,
      ),
    );
    await until('the microphone is open', () =>
      evaluate<boolean>(page, `window.__tracks.some((t) => t.readyState === 'live')`),
    );
    // Its fake microphone says that nothing is done to it, whatever is asked for: what counts is what is asked for.
    await evaluate(page, `document.querySelector('[role=switch]').click()`);
    await until('noise is kept', () =>
      evaluate<boolean>(
        page,
        `(() => {
          const { echoCancellation, noiseSuppression, autoGainControl } = window.__asked.at(-1);
          return echoCancellation && !noiseSuppression && autoGainControl;
        })()`,
      ),
    );
    await page.close();
  });
});

describe('effects', () => {
  /** The mean colour of a participant's picture. */
  const colourOf = (page: Page | FirefoxPage, who: string) =>
    evaluate<[red: number, green: number, blue: number]>(
      page,
      `(() => {
        const tile = [...document.querySelectorAll('.tile')].find((t) => t.getAttribute('aria-label') === ${JSON.stringify(who)});
        const canvas = document.createElement('canvas');
        canvas.width = 32; canvas.height = 18;
        const context = canvas.getContext('2d');
        context.drawImage(tile.querySelector('video, canvas'), 0, 0, 32, 18);
        const { data } = context.getImageData(0, 0, 32, 18);
        const sum = [0, 0, 0];
        for (let i = 0; i < data.length; i++) if (i % 4 < 3) sum[i % 4] += data[i];
        return sum.map((value) => value / (32 * 18));
      })()`,
    );
  const spread = (colour: number[]) => Math.max(...colour) - Math.min(...colour);
  const light = (colour: number[]) => colour.reduce((a, b) => a + b) / 3;

  test('filters change what the others see, and are gone when they are off', async () => {
    const plain = await colourOf(host, 'Ada');
    expect(spread(plain)).toBeGreaterThan(15);
    const more = controls(ada).getByRole('button', { name: 'More controls' });
    if ((await more.getAttribute('aria-expanded')) === 'false') await more.click();
    await press(ada, 'Effects');
    const dialog = ada.getByRole('dialog', { name: 'Effects' });
    const wear = (name: string) => dialog.getByRole('radio', { name }).check();
    await wear('Black and white');
    await until('the picture is grey', async () => spread(await colourOf(host, 'Ada')) < 6);
    await seesMoving(host, 'Ada');
    expect(await seriousOn(ada, 'everything')).toEqual([]);
    await wear('Warm');
    await until('it is warm', async () => {
      const [red, , blue] = await colourOf(host, 'Ada');
      return red - blue > plain[0] - plain[2] + 5;
    });
    await wear('Cool');
    await until('it is cool', async () => {
      const [red, , blue] = await colourOf(host, 'Ada');
      return red - blue < plain[0] - plain[2] - 5;
    });
    await wear('Brighten');
    await until(
      'it is lighter',
      async () => light(await colourOf(host, 'Ada')) > light(plain) + 15,
    );
    // The page may be hidden meanwhile: the others go on seeing a picture that moves.
    await showPage(ada, false);
    await seesMoving(host, 'Ada');
    await showPage(ada, true);
    await wear('None');
    await until('it is as before', async () => {
      const now = await colourOf(host, 'Ada');
      return now.every((value, at) => Math.abs(value - plain[at]!) < 8);
    });
    await ada.keyboard.press('Escape');
  });

  test('a filter works in Firefox', async () => {
    const plain = await colourOf(host, 'Boris');
    await pressFirefox(boris, 'Effects');
    await until('the choice is there', () =>
      evaluate<boolean>(boris, `document.querySelector('input[value=mono]') !== null`),
    );
    await evaluate(boris, `document.querySelector('input[value=mono]').click()`);
    await until('the picture is grey', async () => spread(await colourOf(host, 'Boris')) < 6);
    await evaluate(boris, `document.querySelector('input[value=""]').click()`);
    await until('it has its colours', async () => {
      return spread(await colourOf(host, 'Boris')) > spread(plain) - 8;
    });
    await evaluate(
      boris,
      `document.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true }))`,
    );
  });
});
