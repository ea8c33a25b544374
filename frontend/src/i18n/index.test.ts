import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const root = new URL('../../messages/', import.meta.url);
// A message is a text, or variants of one by number and gender, which have texts in them.
const read = (path: string): Record<string, unknown> =>
  JSON.parse(readFileSync(new URL(path, root), 'utf8'));
const inputs = (message: unknown) =>
  [...new Set(JSON.stringify(message).match(/\{\w+\}/g) ?? [])].sort();

describe('messages', () => {
  const keys = new Set<string>();
  for (const part of readdirSync(root)) {
    const english = read(`${part}/en.json`);
    it(`of ${part} are the same in every language`, () => {
      for (const file of readdirSync(new URL(`${part}/`, root))) {
        const other = read(`${part}/${file}`);
        expect(Object.keys(other), file).toEqual(Object.keys(english));
        for (const [key, text] of Object.entries(english)) {
          expect(inputs(other[key]), `${file}: ${key}`).toEqual(inputs(text));
        }
      }
    });
    it(`of ${part} have keys of their own`, () => {
      for (const key of Object.keys(english)) {
        expect(keys.has(key), key).toBe(false);
        keys.add(key);
      }
    });
  }
});
