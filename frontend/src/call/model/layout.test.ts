import { describe, expect, it } from 'vitest';
import { type Item, layOut } from './layout';

const item = (id: string, ratio?: number): Item => ({ id, own: id === 'me', ratio });
const wide = { width: 1200, height: 700, view: 'grid' as const, front: undefined };
const place = (placed: ReturnType<typeof layOut>, id: string) => placed.find((p) => p.id === id)!;

describe('layOut', () => {
  it('gives the own picture the stage when nobody else is there', () => {
    const [me] = layOut([item('me', 16 / 9)], wide);
    expect(me).toMatchObject({ id: 'me', floating: false });
    expect(me!.width).toBeCloseTo(1200);
  });

  it('floats the own tile over the other in a call of two, away from the edges', () => {
    for (const stage of [wide, { ...wide, width: 390, height: 760 }]) {
      const placed = layOut([item('me', 3 / 4), item('ada', 16 / 9)], stage);
      const me = place(placed, 'me');
      expect(me.floating).toBe(true);
      expect(me.x).toBeGreaterThan(stage.width / 2);
      expect(me.x + me.width).toBeLessThan(stage.width);
      expect(me.y + me.height).toBeLessThan(stage.height);
      expect(place(placed, 'ada').width).toBeGreaterThan(me.width * 2);
    }
  });

  it('puts everybody into the grid from three on', () => {
    const placed = layOut([item('me'), item('ada'), item('boris')], wide);
    expect(placed.map(({ floating }) => floating)).toEqual([false, false, false]);
    expect(new Set(placed.map(({ height }) => Math.round(height))).size).toBe(1);
  });

  it('gives one the stage in the speaker view, and the others a band', () => {
    for (const stage of [wide, { ...wide, width: 390, height: 760 }]) {
      const items = ['me', 'ada', 'boris', 'cleo'].map((id) => item(id, 16 / 9));
      const placed = layOut(items, { ...stage, view: 'speaker', front: 'boris' });
      expect(placed).toHaveLength(4);
      const front = place(placed, 'boris');
      for (const id of ['me', 'ada', 'cleo']) {
        expect(place(placed, id).width * 2).toBeLessThan(front.width);
      }
      for (const box of placed) {
        expect(box.x + box.width).toBeLessThanOrEqual(stage.width + 0.01);
        expect(box.y + box.height).toBeLessThanOrEqual(stage.height + 0.01);
      }
    }
  });

  it('gives a shared screen as much as there is, in its own shape, and the people the rest', () => {
    for (const [stage, ratio] of [
      [wide, 16 / 10],
      [wide, 32 / 9],
      [{ ...wide, width: 390, height: 760 }, 16 / 10],
      [{ ...wide, width: 390, height: 760 }, 9 / 20],
    ] as const) {
      const items = ['me', 'ada', 'boris'].map((id) => item(id, 16 / 9));
      const placed = layOut(items, { ...stage, screen: { id: 'ada.screen', ratio } });
      expect(placed).toHaveLength(4);
      const screen = place(placed, 'ada.screen');
      expect(screen.width / screen.height).toBeCloseTo(ratio);
      for (const box of placed) {
        expect(box.floating).toBe(false);
        expect(box.x).toBeGreaterThanOrEqual(-0.01);
        expect(box.y).toBeGreaterThanOrEqual(-0.01);
        expect(box.x + box.width).toBeLessThanOrEqual(stage.width + 0.01);
        expect(box.y + box.height).toBeLessThanOrEqual(stage.height + 0.01);
        if (box === screen) continue;
        expect(box.width * box.height).toBeLessThan(screen.width * screen.height);
        const beside =
          box.x >= screen.x + screen.width - 0.01 || box.y >= screen.y + screen.height - 0.01;
        expect(beside).toBe(true);
      }
    }
  });

  it('lets whoever is pinned change places with a shared screen', () => {
    const items = ['me', 'ada', 'boris'].map((id) => item(id, 16 / 9));
    const screen = { id: 'ada.screen', ratio: 16 / 9 };
    const placed = layOut(items, { ...wide, screen, pinned: 'boris' });
    expect(place(placed, 'ada.screen').width * 2).toBeLessThan(place(placed, 'boris').width);
  });

  it('holds a crowd in the speaker view', () => {
    const items = Array.from({ length: 33 }, (_, i) => item(i === 0 ? 'me' : `p${i}`));
    expect(layOut(items, { ...wide, view: 'speaker', front: 'p1' })).toHaveLength(33);
  });
});
