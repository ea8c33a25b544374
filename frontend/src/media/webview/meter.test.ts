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

it('rests when it is asked to, and goes on', () => {
  vi.useFakeTimers();
  let heard = 1;
  const node = { connect: () => {}, disconnect: () => {} };
  vi.stubGlobal('addEventListener', () => {});
  vi.stubGlobal('removeEventListener', () => {});
  vi.stubGlobal('MediaStream', class {});
  vi.stubGlobal(
    'AudioContext',
    class {
      createMediaStreamSource = () => node;
      close = async () => {};
    },
  );
  vi.stubGlobal(
    'AnalyserNode',
    class {
      fftSize = 512;
      getFloatTimeDomainData = (samples: Float32Array) => samples.fill(heard);
    },
  );

  const meter = new Meter();
  meter.follow({ enabled: true } as MediaStreamTrack);
  vi.advanceTimersByTime(100);
  expect(meter.level).toBe(1);

  meter.rest(1000);
  heard = 0;
  vi.advanceTimersByTime(950);
  expect(meter.level).toBe(1);
  vi.advanceTimersByTime(100);
  expect(meter.level).toBeLessThan(1);
  meter.close();
});
