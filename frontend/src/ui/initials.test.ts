import { describe, expect, it } from 'vitest';
import { hueOf, initials } from './initials.js';

describe('initials', () => {
  it.each([
    ['Ada', 'A'],
    ['Ada Lovelace', 'AL'],
    ['  grace   brewster hopper ', 'GH'],
    ['“Ada” (work)', 'AW'],
    ['Élodie', 'É'],
    ['e\u0301lodie', 'E\u0301'],
    ['李小龙', '李'],
    ['नमस्ते', 'न'],
    ['🦊', '🦊'],
    ['🇨🇭', '🇨🇭'],
    ['🇨🇭 Anna', 'A'],
    ['👩\u200d👩\u200d👧', '👩\u200d👩\u200d👧'],
    ['👍🏽', '👍🏽'],
    ['\u2068שרה כהן\u2069', 'שכ'],
    ['', '?'],
    ['   ', '?'],
  ])('of %j are %j', (name, want) => expect(initials(name)).toBe(want));
});

describe('hueOf', () => {
  it('stays with the name and within the count', () => {
    for (const name of ['', 'Ada', 'Grace', '李小龙']) {
      expect(hueOf(name, 6)).toBe(hueOf(name, 6));
      expect(hueOf(name, 6)).toBeGreaterThanOrEqual(0);
      expect(hueOf(name, 6)).toBeLessThan(6);
    }
  });
});
