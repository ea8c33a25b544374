import { beforeEach, expect, it, vi } from 'vitest';
import { Letter } from './inside/letter.svelte';
import type { Session } from './session.svelte';

class Track {
  static clones: Track[] = [];
  stopped = false;
  constructor(public enabled: boolean) {}
  clone(): Track {
    const clone = new Track(this.enabled);
    Track.clones.push(clone);
    return clone;
  }
  stop(): void {
    this.stopped = true;
  }
}

class Recorder {
  static isTypeSupported = () => true;
  state = 'inactive';
  mimeType = 'audio/webm';
  onstop?: () => void;
  start(): void {
    this.state = 'recording';
  }
  stop(): void {
    this.onstop?.();
  }
}

const letter = () =>
  new Letter({
    capture: { audio: new Track(false), video: new Track(true) },
  } as unknown as Session);

beforeEach(() => {
  Track.clones = [];
  vi.stubGlobal('MediaStream', class {});
  vi.stubGlobal('MediaRecorder', Recorder);
});

it('records whoever is muted, and lets go of what it took', () => {
  const one = letter();
  one.record('video');
  expect(one.stage).toBe('recording');
  expect(Track.clones.map(({ enabled }) => enabled)).toEqual([true, true]);
  one.stop();
  expect(one.stage).toBe('ready');
  expect(Track.clones.map(({ stopped }) => stopped)).toEqual([true, true]);
});

it('holds no device when the browser can’t record', () => {
  vi.stubGlobal(
    'MediaRecorder',
    class {
      static isTypeSupported = () => false;
      constructor() {
        throw new DOMException('no', 'NotSupportedError');
      }
    },
  );
  const one = letter();
  one.record('sound');
  expect(one.stage).toBe('choose');
  expect(Track.clones.map(({ stopped }) => stopped)).toEqual([true]);
});
