import { expect, it } from 'vitest';
import { loudness } from './meter.svelte';

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
