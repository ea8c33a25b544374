import { expect, it } from 'vitest';
import { refusalOf } from './faults';

it.each(['constructor', 'toString', '__proto__', 'new'])('a word that is not known: %s', (word) => {
  expect(refusalOf(word, 'In English.')).toBe('In English.');
});
