import { beforeEach, expect, it, vi } from 'vitest';
import { takePass } from './pages/moved';

const secret = 'KkicmiQhzAUojO-9-A-XpQ';
const token = 'ICEiIyQlJicoKSorLC0uLw';
let kept: Map<string, string>;
let shown: string;

beforeEach(() => {
  kept = new Map();
  vi.stubGlobal('sessionStorage', {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => kept.set(key, value),
    removeItem: (key: string) => kept.delete(key),
  });
});

function open(hash: string): void {
  const href = `https://porch.example/j/${secret}${hash}`;
  shown = href;
  vi.stubGlobal('location', { href, hash });
  vi.stubGlobal('history', { replaceState: (_: unknown, __: string, to: string) => (shown = to) });
  takePass('ID');
}

it('takes the pass out of the address, and what was off on the other device', () => {
  open(`#${secret}~${token}~mc`);
  expect(shown).toBe(`https://porch.example/j/${secret}#${secret}`);
  expect([...kept]).toEqual([
    ['porch.seat.ID', token],
    ['porch.switches', 'mc'],
  ]);
});

it('turns nothing on', () => {
  kept.set('porch.switches', 'mc');
  open(`#${secret}~${token}`);
  expect(kept.get('porch.switches')).toBe('mc');
});

it('leaves an address without a whole pass as it is', () => {
  for (const hash of [`#${secret}`, `#${secret}~short`, `#${secret}~${token}~x`]) {
    open(hash);
    expect([shown.endsWith(hash), kept.size], hash).toEqual([true, 0]);
  }
});
