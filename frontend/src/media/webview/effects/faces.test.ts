import { describe, expect, it } from 'vitest';
import { type Face, Followed, find } from './faces';

const places = 896;

/** What a model says of one face: seen from a place, with its middle at x, y. */
function said(
  seen: { place: number; score: number; x: number; y: number; anchor: [number, number] }[],
) {
  const boxes = new Float32Array(places * 16);
  const scores = new Float32Array(places).fill(-20);
  for (const { place, score, x, y, anchor } of seen) {
    const set = (at: number, px: number, py: number) => {
      boxes[place * 16 + at] = px - anchor[0];
      boxes[place * 16 + at + 1] = py - anchor[1];
    };
    set(0, x, y);
    boxes[place * 16 + 2] = boxes[place * 16 + 3] = 30;
    set(4, x - 8, y - 5);
    set(6, x + 8, y - 5);
    set(10, x, y + 10);
    scores[place] = score;
  }
  return [boxes, scores] as const;
}

describe('faces', () => {
  it('are found at their places, once, the surest first', () => {
    const faces = find(
      ...said([
        { place: 0, score: 1, x: 20, y: 20, anchor: [4, 4] },
        { place: 3, score: 3, x: 21, y: 20, anchor: [12, 4] }, // the same, seen from beside
        { place: 512 + 6 * 63, score: 2, x: 100, y: 100, anchor: [120, 120] },
        { place: 40, score: -1, x: 60, y: 60, anchor: [36, 12] }, // hardly one
      ]),
    );
    expect(faces).toHaveLength(2);
    expect(faces[0]!.eyes.map(({ x, y }) => [Math.round(x), Math.round(y)])).toEqual([
      [13, 15],
      [29, 15],
    ]);
    expect(Math.round(faces[1]!.mouth.y)).toBe(110);
  });

  it('are at most four', () => {
    const many = Array.from({ length: 7 }, (_, i) => ({
      place: 2 * i,
      score: 5,
      x: 500 * i,
      y: 0,
      anchor: [4 + 8 * i, 4] as [number, number],
    }));
    expect(find(...said(many))).toHaveLength(4);
    expect(find(new Float32Array(0), new Float32Array(0))).toEqual([]);
  });
});

describe('what follows a face', () => {
  const face = (x: number): Face => ({
    eyes: [
      { x: x - 10, y: 0 },
      { x: x + 10, y: 0 },
    ],
    mouth: { x, y: 20 },
  });

  it('moves towards it, and keeps two apart', () => {
    const followed = new Followed();
    followed.take([face(0), face(200)]);
    followed.take([face(210), face(10)]);
    const at = followed.faces.map(({ mouth }) => Math.round(mouth.x));
    expect(at).toEqual([206, 6]);
  });

  it('stays for a while when it is not seen, and then goes', () => {
    const followed = new Followed();
    followed.take([face(0)]);
    for (let i = 0; i < 5; i++) followed.take([]);
    expect(followed.faces).toHaveLength(1);
    followed.take([]);
    expect(followed.faces).toEqual([]);
  });
});
