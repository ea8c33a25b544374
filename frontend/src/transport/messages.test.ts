import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeFromHost, decodeFromRelay, hasForm } from './messages';

const golden = (side: string): string[] => {
  const folder = new URL(`../../../backend/signalling/testdata/golden/${side}/`, import.meta.url);
  return readdirSync(folder).flatMap((file) =>
    readFileSync(new URL(file, folder), 'utf8').trimEnd().split('\n'),
  );
};

describe('messages that Go encodes', () => {
  for (const line of golden('host'))
    it(`reads ${line.slice(0, 60)}`, () => expect(decodeFromHost(line)).toEqual(JSON.parse(line)));
  for (const line of golden('from-relay'))
    it(`reads ${line.slice(0, 60)}`, () => expect(decodeFromRelay(line)).toEqual(JSON.parse(line)));
  it('come from the host only', () => {
    for (const line of golden('guest').filter(
      (line) => !/^{"type":"(candidate|spotlight)"/.test(line),
    ))
      expect(decodeFromHost(line)).toBeUndefined();
  });
});

describe('forms', () => {
  it('tell kinds apart', () => {
    expect(hasForm('s', 'x')).toBe(true);
    expect(hasForm('s', 1)).toBe(false);
    expect(hasForm('b', 'true')).toBe(false);
    for (const number of [-1, 0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY, '1', null])
      expect(hasForm('n', number)).toBe(false);
    expect(hasForm('n', 2 ** 53 - 1)).toBe(true);
    expect(hasForm(['|', 'a', 'b'], 'b')).toBe(true);
    expect(hasForm(['|', 'a', 'b'], '|')).toBe(false);
    expect(hasForm(['s'], ['x', 'y'])).toBe(true);
    expect(hasForm(['s'], [])).toBe(true);
    expect(hasForm(['s'], { length: 0 })).toBe(false);
    expect(hasForm({ a: 's', 'b?': 'n' }, { a: 'x' })).toBe(true);
    expect(hasForm({ a: 's', 'b?': 'n' }, { a: 'x', b: null })).toBe(false);
    expect(hasForm({ a: 's' }, null)).toBe(false);
    expect(hasForm({ a: 's' }, ['x'])).toBe(false);
    expect(hasForm({}, [])).toBe(false);
  });
});
