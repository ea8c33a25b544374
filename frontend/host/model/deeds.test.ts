import { expect, it } from 'vitest';
import { deedSentence } from './deeds';
import { sentence } from './faults';

it.each(['constructor', 'toString', '__proto__'])('a word that is not known: %s', (word) => {
  expect(deedSentence({ id: 1, linkId: 'L', deed: word, by: 'Ada', name: 'Bea', at: 0 })).toBe('');
  expect(sentence(word, 'In English.')).toBe('In English.');
});
