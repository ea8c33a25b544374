import { describe, expect, it } from 'vitest';
import { paged } from './pages';

const crowd = (count: number) => Array.from({ length: count }, (_, at) => ({ id: `${at}` }));
const ids = (of: readonly { id: string }[]) => of.map(({ id }) => id).join();

describe('pages', () => {
  it('are one up to nine people', () => {
    expect(paged(crowd(9), { page: 0, large: false }).pages).toBe(1);
    const ten = paged(crowd(10), { page: 1, large: false });
    expect(ten.pages).toBe(2);
    expect(ids(ten.shown)).toBe('9');
  });

  it('end with the last one, also when people leave', () => {
    const { shown, page } = paged(crowd(12), { page: 7, large: false });
    expect(page).toBe(1);
    expect(ids(shown)).toBe('9,10,11');
    expect(paged(crowd(3), { page: 7, large: false }).page).toBe(0);
  });

  it('have who is in front on each of them, and everybody once', () => {
    const people = crowd(16);
    const seen: string[] = [];
    for (let page = 0; page < 3; page++) {
      const { shown, pages } = paged(people, { page, front: '4', large: true });
      expect(pages).toBe(3);
      expect(shown[0]?.id).toBe('4');
      seen.push(...shown.slice(1).map(({ id }) => id));
    }
    expect(new Set(seen).size).toBe(15);
    expect(seen.length).toBe(15);
  });
});
