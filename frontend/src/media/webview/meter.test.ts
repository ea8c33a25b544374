import { afterEach, expect, it, vi } from 'vitest';
import { loudness, Meter } from './meter.svelte';

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const tone = (peak: number) =>
  Float32Array.from({ length: 480 }, (_, i) => peak * Math.sin((i / 48) * 2 * Math.PI));

it('is nothing for silence and for noise below hearing', () => {
  expect(loudness(new Float32Array(480))).toBe(0);
  expect(loudness(tone(0.001))).toBe(0);
});

it('is full for a shout', () => {
  expect(loudness(tone(1))).toBe(1);
});

it('grows evenly with decibels', () => {
  const steps = [0.01, 0.0316, 0.1, 0.316].map((peak) => loudness(tone(peak)));
  for (let i = 1; i < steps.length; i++) expect(steps[i]! - steps[i - 1]!).toBeCloseTo(10 / 54, 2);
});

/** Stands in for the browser's audio: what is heard, and whether the context runs. */
function stub(sound: { heard: number; state: string }) {
  const node = { connect: () => {}, disconnect: () => {} };
  vi.stubGlobal('addEventListener', () => {});
  vi.stubGlobal('removeEventListener', () => {});
  vi.stubGlobal('MediaStream', class {});
  vi.stubGlobal(
    'AudioContext',
    class {
      createMediaStreamSource = () => node;
      close = async () => {};
      get state() {
        return sound.state;
      }
    },
  );
  vi.stubGlobal(
    'AnalyserNode',
    class {
      fftSize = 512;
      getFloatTimeDomainData = (samples: Float32Array) => samples.fill(sound.heard);
    },
  );
}

it('says that a microphone is dead when nothing at all comes from it for long', () => {
  vi.useFakeTimers();
  const sound = { heard: 0, state: 'suspended' };
  stub(sound);
  const track = { enabled: true, muted: false };
  const meter = new Meter();
  meter.follow(track as MediaStreamTrack);
  vi.advanceTimersByTime(20_000);
  expect(meter.dead, 'the browser listens to nothing yet').toBe(false);
  sound.state = 'running';
  vi.advanceTimersByTime(7000);
  expect(meter.dead).toBe(false);
  vi.advanceTimersByTime(2000);
  expect(meter.dead).toBe(true);
  sound.heard = 1e-6;
  vi.advanceTimersByTime(100);
  expect(meter.dead, 'a quiet room').toBe(false);
  sound.heard = 0;
  track.enabled = false;
  vi.advanceTimersByTime(20_000);
  expect(meter.dead, 'muted').toBe(false);
  meter.close();
});

it('rests when it is asked to, and goes on', () => {
  vi.useFakeTimers();
  const sound = { heard: 1, state: 'running' };
  stub(sound);

  const meter = new Meter();
  meter.follow({ enabled: true } as MediaStreamTrack);
  vi.advanceTimersByTime(100);
  expect(meter.level).toBe(1);

  meter.rest(1000);
  sound.heard = 0;
  vi.advanceTimersByTime(950);
  expect(meter.level).toBe(1);
  vi.advanceTimersByTime(100);
  expect(meter.level).toBeLessThan(1);
  meter.close();
});
