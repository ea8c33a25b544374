import { beforeEach, describe, expect, it } from 'vitest';
import type { Choice } from '$src/call/engine';
import { Capture } from './capture.svelte';
import { faultOf } from './faults';
import type { Source } from './source';

class Track {
  enabled = true;
  readyState = 'live';
  contentHint = '';
  onended: (() => void) | null = null;
  constructor(readonly kind: 'audio' | 'video') {}
  stop() {
    this.readyState = 'ended';
  }
}

/** Devices that can be taken away. */
class Desk implements Source {
  broken: { audio?: string; video?: string } = {};
  asked: { audio: boolean; video: boolean; choice: Choice }[] = [];
  made: Track[] = [];
  unwatched = false;
  changed = () => {};

  async open({ audio, video }: { audio: boolean; video: boolean }, choice: Choice) {
    this.asked.push({ audio, video, choice });
    const wrong = (audio && this.broken.audio) || (video && this.broken.video);
    if (wrong) throw Object.assign(new Error('no'), { name: wrong });
    const tracks = [...(audio ? [new Track('audio')] : []), ...(video ? [new Track('video')] : [])];
    this.made.push(...tracks);
    return { getTracks: () => tracks } as unknown as MediaStream;
  }
  async devices() {
    return { cameras: [], microphones: [], speakers: [] };
  }
  watch(changed: () => void) {
    this.changed = changed;
    return () => {
      this.unwatched = true;
    };
  }
}

let desk: Desk;
let capture: Capture;
beforeEach(() => {
  desk = new Desk();
  capture = new Capture(desk);
});

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
    desk.changed();
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

  it('goes back to the default when the chosen one has gone', async () => {
    const open = desk.open.bind(desk);
    desk.open = async (wanted, choice) => {
      if (choice.camera === 'gone') desk.broken.video = 'OverconstrainedError';
      else desk.broken = {};
      return open(wanted, choice);
    };
    await capture.choose({ camera: 'gone' });
    expect(capture.choice.camera).toBe('');
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
    desk.made[1]!.onended?.();
    expect(capture.faults).toEqual(['camera-lost']);
    expect(capture.video).toBeUndefined();
    expect(changes).toBe(1);
  });

  it('lets go of everything when released or closed', async () => {
    await capture.open();
    await capture.release();
    expect(desk.made.map(({ readyState }) => readyState)).toEqual(['ended', 'ended']);
    await capture.open();
    capture.close();
    expect(desk.made.every(({ readyState }) => readyState === 'ended')).toBe(true);
    expect(desk.unwatched).toBe(true);
  });

  it('stops what opens after closing', async () => {
    const opening = capture.open();
    capture.close();
    await opening;
    expect(kinds()).toEqual([undefined, undefined]);
    expect(desk.made.every(({ readyState }) => readyState === 'ended')).toBe(true);
  });
});

it('names what getUserMedia throws', () => {
  const named = (name: string) => Object.assign(new Error(), { name });
  expect(faultOf('camera', named('NotAllowedError'))).toBe('camera-refused');
  expect(faultOf('camera', named('NotFoundError'))).toBe('camera-missing');
  expect(faultOf('microphone', named('NotReadableError'))).toBe('microphone-busy');
  expect(faultOf('microphone', new TypeError('no mediaDevices'))).toBe('microphone-missing');
  expect(faultOf('camera', 'anything else')).toBe('camera-busy');
});
