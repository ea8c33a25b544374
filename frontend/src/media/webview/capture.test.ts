import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Choice } from '$src/media/engine';
import { Capture } from './capture.svelte';
import { whyOf } from './faults';
import { type Changes, hardware, processing, type Source } from './source';

class Track {
  enabled = true;
  muted = false;
  readyState = 'live';
  contentHint = '';
  onmute?: (event: { type: string }) => void;
  onunmute?: (event: { type: string }) => void;
  onended?: (event: { type: string }) => void;
  constructor(
    readonly kind: 'audio' | 'video',
    readonly deviceId = '',
  ) {}
  /** What the browser does to its sound. */
  done: MediaTrackConstraints = {};
  /** It takes other constraints while it is open. */
  takes = true;
  getSettings() {
    return { deviceId: this.deviceId, ...this.done };
  }
  async applyConstraints(wanted: MediaTrackConstraints) {
    if (this.takes) this.done = wanted;
  }
  stop() {
    this.readyState = 'ended';
  }
  /** What the system does. */
  mute(muted = true) {
    this.muted = muted;
    if (muted) this.onmute?.({ type: 'mute' });
    else this.onunmute?.({ type: 'unmute' });
  }
  end() {
    this.readyState = 'ended';
    this.onended?.({ type: 'ended' });
  }
}

/** Devices that can be taken away. */
class Desk implements Source {
  broken: { audio?: string; video?: string } = {};
  asked: { audio: boolean; video: boolean; choice: Choice }[] = [];
  made: Track[] = [];
  /** The first is the default; unless there are some, all ids can be opened, and none is listed. */
  microphones: string[] = [];
  unwatched = false;
  says!: Changes;

  async open({ audio, video }: { audio: boolean; video: boolean }, choice: Choice) {
    this.asked.push({ audio, video, choice });
    const { microphone } = choice;
    const wrong = (audio && this.broken.audio) || (video && this.broken.video);
    if (wrong) throw named(wrong);
    if (audio && microphone && this.microphones[0] && !this.microphones.includes(microphone))
      throw named('OverconstrainedError');
    const tracks = [
      ...(audio ? [new Track('audio', microphone || this.microphones[0])] : []),
      ...(video ? [new Track('video')] : []),
    ];
    this.made.push(...tracks);
    return {
      getTracks: () => tracks,
      getAudioTracks: () => tracks.filter(({ kind }) => kind === 'audio'),
    } as unknown as MediaStream;
  }
  async devices() {
    const microphones = this.microphones.map((id) => ({ id, name: id }));
    return { cameras: [], microphones, speakers: [] };
  }
  watch(changes: Changes) {
    this.says = changes;
    return () => {
      this.unwatched = true;
    };
  }
  plug(...microphones: string[]) {
    this.microphones = microphones;
    this.says.devices();
  }
}

const named = (name: string) => Object.assign(new Error(), { name });

let desk: Desk;
let capture: Capture;
beforeEach(() => {
  desk = new Desk();
  capture = new Capture(desk);
});

const tick = () => new Promise((done) => setTimeout(done, 5));
const kinds = () => [capture.audio?.kind, capture.video?.kind];

describe('opening', () => {
  it('asks for both in one question', async () => {
    await capture.open();
    expect(desk.asked).toHaveLength(1);
    expect(kinds()).toEqual(['audio', 'video']);
    expect([capture.silent, capture.dark]).toEqual([false, false]);
  });

  it('leaves a camera alone that was left off', async () => {
    capture = new Capture(desk, { cameraOff: true });
    await capture.open();
    expect(kinds()).toEqual(['audio', undefined]);
    expect(capture.faults).toEqual([]);
  });

  it('keeps the microphone when there is no camera, and says so', async () => {
    desk.broken.video = 'NotFoundError';
    await capture.open();
    expect(kinds()).toEqual(['audio', undefined]);
    expect(capture.faults).toEqual(['camera-missing']);
    expect(capture.dark).toBe(true);
  });

  it('says what was refused, and opens it when asked again', async () => {
    desk.broken = { audio: 'NotAllowedError', video: 'NotAllowedError' };
    await capture.open();
    expect(capture.faults).toEqual(['camera-refused', 'microphone-refused']);
    expect(capture.silent).toBe(true);
    desk.broken = {};
    await capture.open();
    expect(capture.faults).toEqual([]);
    expect(kinds()).toEqual(['audio', 'video']);
  });

  it('opens a camera that is plugged in later', async () => {
    desk.broken.video = 'NotFoundError';
    await capture.open();
    desk.broken = {};
    desk.says.devices();
    await expect.poll(() => kinds()).toEqual(['audio', 'video']);
  });
});

describe('the switches', () => {
  it('muting keeps the microphone and sends silence', async () => {
    await capture.open();
    await capture.setMuted(true);
    expect(capture.audio?.enabled).toBe(false);
    await capture.setMuted(false);
    expect(capture.audio?.enabled).toBe(true);
    expect(desk.made).toHaveLength(2);
  });

  it('a microphone that opens while muted is silent', async () => {
    capture = new Capture(desk, { muted: true });
    await capture.open();
    expect(capture.audio?.enabled).toBe(false);
  });

  it('turning the camera off lets it go, turning it on takes it again', async () => {
    await capture.open();
    const first = desk.made[1]!;
    await capture.setCameraOff(true);
    expect(first.readyState).toBe('ended');
    expect(capture.video).toBeUndefined();
    await capture.setCameraOff(false);
    expect(capture.video?.readyState).toBe('live');
    expect(capture.faults).toEqual([]);
  });

  it('stays dark when the camera can’t be turned on', async () => {
    capture = new Capture(desk, { cameraOff: true });
    desk.broken.video = 'NotReadableError';
    await capture.setCameraOff(false);
    expect(capture.dark).toBe(true);
    expect(capture.faults).toEqual(['camera-busy']);
  });
});

describe('choosing', () => {
  it('takes the other device and lets the old one go', async () => {
    await capture.open();
    await capture.choose({ microphone: 'other' });
    expect(desk.asked.at(-1)).toMatchObject({ audio: true, video: false });
    expect(desk.made[0]!.readyState).toBe('ended');
    expect(capture.audio?.readyState).toBe('live');
  });

  it('takes the default when the chosen one has gone, and remembers the choice', async () => {
    const open = desk.open.bind(desk);
    desk.open = async (wanted, choice) => {
      if (choice.camera === 'gone') desk.broken.video = 'OverconstrainedError';
      else desk.broken = {};
      return open(wanted, choice);
    };
    await capture.open();
    await capture.choose({ camera: 'gone' });
    expect(capture.choice.camera).toBe('gone');
    expect(capture.video?.readyState).toBe('live');
    expect(capture.faults).toEqual([]);
  });
});

describe('losing', () => {
  it('says which device went, and tells who listens', async () => {
    await capture.open();
    let changes = 0;
    capture.onchange = () => changes++;
    desk.broken.video = 'NotFoundError';
    desk.made[1]!.end();
    expect([capture.dark, capture.video]).toEqual([true, undefined]);
    await expect.poll(() => capture.faults).toEqual(['camera-lost']);
    expect(changes).toBe(1);
  });

  const orders: [string, (headset: Track) => void][] = [
    ['ended first', (headset) => [headset.end(), desk.plug('built-in')]],
    ['the list first', (headset) => [desk.plug('built-in'), headset.end()]],
    ['ended alone', (headset) => [desk.microphones.splice(1), headset.end()]],
    ['the list alone', () => desk.plug('built-in')],
  ];
  it.each(orders)(
    'takes the default for a headset that is pulled out, and it again: %s',
    async (_, pull) => {
      desk.microphones = ['built-in', 'headset'];
      await capture.choose({ microphone: 'headset' });
      await capture.open();
      const headset = desk.made[0]!;
      expect(headset.deviceId).toBe('headset');
      pull(headset);
      await expect.poll(() => (capture.audio as unknown as Track)?.deviceId).toBe('built-in');
      expect(headset.readyState).toBe('ended');
      expect([capture.choice.microphone, capture.silent, capture.faults]).toEqual([
        'headset',
        false,
        [],
      ]);
      const opened = desk.asked.length;
      desk.says.devices();
      await tick();
      expect(desk.asked).toHaveLength(opened);
      desk.plug('built-in', 'headset');
      await expect.poll(() => (capture.audio as unknown as Track).deviceId).toBe('headset');
      expect(
        desk.made.filter(({ readyState }) => readyState === 'live').map(({ kind }) => kind),
      ).toEqual(['video', 'audio']);
    },
  );

  it('lets go of everything when released or closed', async () => {
    await capture.open();
    capture.release();
    expect(desk.made.map(({ readyState }) => readyState)).toEqual(['ended', 'ended']);
    await capture.open();
    capture.close();
    expect(desk.made.every(({ readyState }) => readyState === 'ended')).toBe(true);
    expect(desk.unwatched).toBe(true);
  });

  it('says no more that an effect was too slow once something is chosen', async () => {
    capture.effectOver = 'slow';
    await capture.choose({ effect: '' });
    expect(capture.effectOver).toBe('');
  });

  it('stops what opens after closing', async () => {
    const opening = capture.open();
    capture.close();
    await opening;
    expect(kinds()).toEqual([undefined, undefined]);
    expect(desk.made.every(({ readyState }) => readyState === 'ended')).toBe(true);
  });
});

describe('held by the system', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());
  const flush = () => vi.advanceTimersByTimeAsync(0);
  const opened = async () => {
    await capture.open();
    return desk.made[0]!;
  };

  it('counts as muted after half a second, and is opened afresh when it comes back', async () => {
    const track = await opened();
    track.mute();
    vi.advanceTimersByTime(499);
    expect([capture.silent, capture.faults]).toEqual([false, []]);
    vi.advanceTimersByTime(1);
    expect([capture.silent, capture.muted, capture.faults]).toEqual([
      true,
      false,
      ['microphone-held'],
    ]);
    track.mute(false);
    await flush();
    expect(capture.silent).toBe(false);
    expect([track.readyState, desk.made[2]!.readyState, capture.faults]).toEqual([
      'ended',
      'live',
      [],
    ]);
  });

  it('is opened afresh when the page is looked at again, without a word before', async () => {
    const track = await opened();
    track.muted = true;
    desk.says.front();
    await flush();
    expect(capture.audio).toBe(desk.made[2]);
    expect([capture.silent, track.readyState]).toEqual([false, 'ended']);
  });

  it('stays so when what is opened afresh is muted as well', async () => {
    const track = await opened();
    track.mute();
    vi.advanceTimersByTime(500);
    const open = desk.open.bind(desk);
    desk.open = async (...all) => {
      const stream = await open(...all);
      desk.made.at(-1)!.muted = true;
      return stream;
    };
    desk.says.front();
    await flush();
    expect(capture.audio).toBe(desk.made[2]);
    expect([capture.silent, capture.faults]).toEqual([true, ['microphone-held']]);
    desk.made[2]!.mute(false);
    expect([capture.silent, capture.faults, desk.made.length]).toEqual([false, [], 3]);
  });

  it('is tried again while it is busy: after a while, when devices change, when the page is looked at', async () => {
    await opened();
    desk.broken.audio = 'NotReadableError';
    desk.made[0]!.end();
    await flush();
    expect(capture.faults).toEqual(['microphone-busy']);
    const tries = () => desk.asked.filter(({ audio }) => audio).length;
    let before = tries();
    await vi.advanceTimersByTimeAsync(999);
    expect(tries()).toBe(before);
    await vi.advanceTimersByTimeAsync(1);
    expect([tries(), capture.silent, capture.asking]).toEqual([++before, true, false]);
    await vi.advanceTimersByTimeAsync(1999);
    expect(tries()).toBe(before);
    desk.says.front();
    await flush();
    expect(tries()).toBe(++before);
    desk.says.devices();
    await flush();
    expect(tries()).toBe(++before);
    desk.broken = {};
    await vi.advanceTimersByTimeAsync(30_000);
    expect([capture.silent, capture.faults]).toEqual([false, []]);
  });
});

it('names what getUserMedia throws', () => {
  expect(whyOf(named('NotAllowedError'))).toBe('refused');
  expect(whyOf(named('NotFoundError'))).toBe('missing');
  expect(whyOf(named('NotReadableError'))).toBe('busy');
  expect(whyOf(new TypeError('no mediaDevices'))).toBe('missing');
  expect(whyOf('anything else')).toBe('busy');
});

it('a browser that keeps its list of devices to itself has none', async () => {
  vi.stubGlobal('HTMLMediaElement', class {});
  vi.stubGlobal('navigator', {
    mediaDevices: { enumerateDevices: () => Promise.reject(named('NotAllowedError')) },
  });
  try {
    expect(await hardware.devices()).toEqual({ cameras: [], microphones: [], speakers: [] });
  } finally {
    vi.unstubAllGlobals();
  }
});

describe('what is done to the sound', () => {
  const opened = async () => {
    await capture.open();
    const track = desk.made.find(({ kind }) => kind === 'audio')!;
    track.done = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
    return track;
  };

  it('is changed while the microphone is open, where the browser can', async () => {
    const track = await opened();
    await capture.choose({ sound: 'noise' });
    expect(capture.audio).toBe(track);
    expect(track.done).toMatchObject({ noiseSuppression: false, autoGainControl: true });
  });

  it('has the microphone opened anew where it can’t, and once the old one is closed', async () => {
    const track = await opened();
    track.takes = false;
    const open = desk.open.bind(desk);
    let before = '';
    desk.open = (wanted, choice) => {
      before = track.readyState;
      return open(wanted, choice);
    };
    await capture.choose({ sound: 'gain' });
    expect(before).toBe('ended');
    expect(capture.audio).not.toBe(track);
    expect(desk.asked.at(-1)).toMatchObject({
      audio: true,
      video: false,
      choice: { sound: 'gain' },
    });
    expect(capture.silent).toBe(false);
  });

  it('does not cost the microphone if it can’t be opened again at once', async () => {
    const track = await opened();
    track.takes = false;
    desk.broken.audio = 'NotReadableError';
    await capture.choose({ sound: 'music' });
    expect(capture.silent).toBe(true);
    desk.broken = {};
    await capture.open();
    expect(kinds()).toEqual(['audio', 'video']);
  });

  it('is nothing for music', async () => {
    await opened();
    await capture.choose({ sound: 'music' });
    expect(processing('music')).toEqual({
      echoCancellation: false,
      noiseSuppression: false,
      autoGainControl: false,
      channelCount: { ideal: 2 },
    });
    expect(processing('')).toEqual({
      echoCancellation: true,
      noiseSuppression: true,
      autoGainControl: true,
    });
  });
});
