// The pseudo-language of the tests, en-XA: English with accents, a third longer, between brackets. A text on a screen
// without brackets is written in the code, and one that is cut off has no closing bracket.
const accents = { a: 'á', c: 'ç', e: 'é', i: 'í', n: 'ñ', o: 'ö', s: 'š', u: 'ü', y: 'ý' };

/** A text, or each form of one, in the pseudo-language. What is between {} is an input's name. */
export function pseudo(text) {
  if (typeof text !== 'string')
    return Object.fromEntries(Object.entries(text).map(([form, t]) => [form, pseudo(t)]));
  const said = text.replace(/\{\w+\}|[a-z]/gi, (part) => accents[part] ?? part);
  const words = Math.ceil(text.length / 3 / 4);
  return `[${said} ${Array(words).fill('öné').join(' ')}]`;
}
