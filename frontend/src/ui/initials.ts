import { shows } from './names';

/** The one or two letters that stand for a name: of its first and its last word. "?" for a name without any. */
export function initials(name: string): string {
  const words = name
    .split(/\s+/u)
    .map(firstLetter)
    .filter((letter) => letter !== '');
  if (words.length === 0) return firstSymbol(name.trim()) || '?';
  return words.length === 1 ? words[0]! : words[0]! + words.at(-1)!;
}

/** A number from 0 to count − 1 that stays with the name: the colour of its avatar. */
export function hueOf(name: string, count: number): number {
  let hash = 2166136261; // FNV-1a, 32 bits
  for (let at = 0; at < name.length; at++) hash = Math.imul(hash ^ name.charCodeAt(at), 16777619);
  return (hash >>> 0) % count;
}

// What people take for one character: a flag, a letter with its marks.
const graphemes = (text: string): string[] =>
  typeof Intl.Segmenter === 'function'
    ? Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment)
    : Array.from(text);

function firstLetter(word: string): string {
  return (
    graphemes(word)
      .find((one) => /[\p{L}\p{N}]/u.test(one))
      ?.toLocaleUpperCase() ?? ''
  );
}

function firstSymbol(text: string): string {
  return graphemes(text).find(shows) ?? '';
}
