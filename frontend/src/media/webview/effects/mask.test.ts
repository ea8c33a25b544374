import { expect, it } from 'vitest';
import { Mask, opacity } from './mask';

it('is sure of what is sure, and soft between', () => {
  expect([0, 0.2, 0.25, 0.5, 0.75, 0.9, 1].map(opacity)).toEqual([0, 0, 0, 0.5, 1, 1, 1]);
  expect(opacity(0.4)).toBeLessThan(0.4);
});

it('takes the first look whole, and then a part of each', () => {
  const mask = new Mask(2, 1);
  const alpha = () => [mask.pixels[3], mask.pixels[7]];
  mask.take(new Float32Array([1, 0]));
  expect(alpha()).toEqual([255, 0]);
  mask.take(new Float32Array([0, 1]));
  const [left = 0, right = 0] = alpha();
  expect(left).toBeGreaterThan(0);
  expect(right).toBeLessThan(255);
  for (let i = 0; i < 5; i++) mask.take(new Float32Array([0, 1]));
  expect(alpha()).toEqual([0, 255]);
  expect([...mask.pixels].filter((_, i) => i % 4 < 3)).toEqual([0, 0, 0, 0, 0, 0]);
});
