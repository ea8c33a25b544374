import { maxName, maxNameBytes } from '$src/transport/generated/signalling';

/** Whether a text leaves a mark on a screen; see showsNothing in backend/signalling/text.go. */
export const shows = (text: string): boolean =>
  /[^\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{NChar}\p{DI}\p{Z}\p{Mn}\p{Me}\u2800\u{13441}\u{13442}\u{1d159}]/u.test(
    text,
  );

/** Whether the host takes a name. Held to the same table as the host, backend/signalling/testdata/names.json. */
export const isName = (name: string): boolean =>
  shows(name) &&
  characters(name) <= maxName &&
  new TextEncoder().encode(name).length <= maxNameBytes;

/** What people take for one character each; Characters in backend/signalling/text.go. */
const characters = (text: string): number =>
  [
    ...text
      .trim()
      .replace(/\p{RI}{2}/gu, 'a')
      .replace(/^./su, 'a')
      .replace(/[\p{M}\p{EMod}\u200c\u{e0020}-\u{e007f}]|\u200d[^\p{L}\p{N}]?/gu, ''),
  ].length;

/**
 * A name as it stands in a sentence: isolated if it is written from right to left, so that the words around it stay
 * where they are. In languages that are themselves written from left to right, others need nothing.
 */
export const isolated = (name: string): string =>
  /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u.test(name)
    ? `\u2068${name}\u2069`
    : name;
