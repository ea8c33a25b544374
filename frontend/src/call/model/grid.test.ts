import { describe, expect, it } from 'vitest';
import { arrange, type Box } from './grid.ts';

const area = (boxes: Box[]) => boxes.reduce((sum, b) => sum + b.width * b.height, 0);
const inside = (boxes: Box[], width: number, height: number) =>
  boxes.every(
    (b) =>
      b.x >= -0.01 &&
      b.y >= -0.01 &&
      b.x + b.width <= width + 0.01 &&
      b.y + b.height <= height + 0.01,
  );
const apart = (boxes: Box[], gap: number) =>
  boxes.every((a, i) =>
    boxes.every(
      (b, j) =>
        j <= i ||
        a.x + a.width + gap <= b.x + 0.01 ||
        b.x + b.width + gap <= a.x + 0.01 ||
        a.y + a.height + gap <= b.y + 0.01 ||
        b.y + b.height + gap <= a.y + 0.01,
    ),
  );

/** Every way of cutting n into rows, the honest slow way. */
function* cuts(n: number): Generator<number[]> {
  if (n === 0) yield [];
  for (let first = 1; first <= n; first++)
    for (const rest of cuts(n - first)) yield [first, ...rest];
}

function bestByTrying(ratios: number[], width: number, height: number, gap: number): number {
  let best = 0;
  for (const rows of cuts(ratios.length)) {
    let tall = (height - gap * (rows.length - 1)) / rows.length;
    let at = 0;
    for (const length of rows) {
      const sum = ratios.slice(at, at + length).reduce((a, b) => a + b, 0);
      tall = Math.min(tall, (width - gap * (length - 1)) / sum);
      at += length;
    }
    best = Math.max(best, tall * tall * ratios.reduce((a, b) => a + b, 0));
  }
  return best;
}

describe('arrange', () => {
  it('gives nothing for nobody, or for no room', () => {
    expect(arrange([], 800, 600, 8)).toEqual([]);
    expect(arrange([1.5], 0, 600, 8)).toEqual([]);
  });

  it('fills the stage with one picture of its ratio', () => {
    expect(arrange([16 / 9], 1600, 900, 8)).toEqual([{ x: 0, y: 0, width: 1600, height: 900 }]);
  });

  it('puts two wide pictures below each other when that wastes less', () => {
    const [first, second] = arrange([16 / 9, 16 / 9], 1000, 700, 8);
    expect(first!.x).toBeCloseTo(second!.x);
    expect(second!.y).toBeGreaterThan(first!.y);
  });

  it('puts two upright pictures beside each other on a wide stage', () => {
    const [first, second] = arrange([9 / 16, 9 / 16], 1000, 700, 8);
    expect(first!.y).toBeCloseTo(second!.y);
  });

  it('crops wide pictures to squares at most on an upright stage', () => {
    for (const box of arrange([16 / 9, 16 / 9], 390, 800, 8)) {
      expect(box.width / box.height).toBeGreaterThanOrEqual(0.99);
      expect(box.width).toBeCloseTo(390);
    }
  });

  it('covers as much as the best cut into rows, for any mix on wide stages', () => {
    let seed = 1;
    const random = () => {
      seed = (seed * 16807) % 2147483647;
      return seed / 2147483647;
    };
    for (let round = 0; round < 200; round++) {
      const count = 1 + Math.floor(random() * 10);
      const ratios = Array.from({ length: count }, () => 0.5625 + random() * (16 / 9 - 0.5625));
      const height = 300 + random() * 700;
      const width = height * (1 + random());
      const boxes = arrange(ratios, width, height, 8);
      expect(boxes).toHaveLength(count);
      expect(inside(boxes, width, height)).toBe(true);
      expect(apart(boxes, 8)).toBe(true);
      for (const [i, box] of boxes.entries())
        expect(box.width / box.height).toBeCloseTo(ratios[i]!);
      expect(area(boxes)).toBeGreaterThan(bestByTrying(ratios, width, height, 8) * 0.999);
    }
  });

  it('holds 64 tiles on a phone', () => {
    const boxes = arrange(new Array(64).fill(16 / 9), 390, 640, 4);
    expect(boxes).toHaveLength(64);
    expect(inside(boxes, 390, 640)).toBe(true);
    expect(apart(boxes, 4)).toBe(true);
  });
});
