import type { LinkAddress } from './address';

// What shows nothing, and spaces: programs put them into long words.
const unseen = /[\s\p{Cf}\p{Default_Ignorable_Code_Point}]/gu;

/** Undoes encodings, and leaves out what shows nothing. */
export function unwrapped(text: string): string {
  for (let i = 0; i < 5; i++) {
    const next = text
      .replace(/(?:%[\da-f]{2})+/gi, (run) => {
        try {
          return decodeURIComponent(run);
        } catch {
          return run; // not UTF-8
        }
      })
      .replace(/&(?:#35|#x23|num);/gi, '#');
    if (next === text) break;
    text = next;
  }
  return text
    .replace(unseen, '')
    .replace(/[\u2010-\u2013\u2212]/g, '-') // hyphens, and what programs make of them
    .replaceAll('\u2014', '--')
    .replaceAll('\uff03', '#')
    .replace(/=23([\w-]{22})/g, '#$1');
}

/** The 16 bytes of base64url with which a text begins; in the last character four bits are zero. */
const whole = (text: string): string | undefined => /^[\w-]{21}[AQgw]/.exec(text)?.[0];

/** Looks for the secret in what follows an id. */
function secretIn(rest: string): string | undefined {
  const [before = '', ...behind] = rest.split('#');
  // Behind the '#', or whatever stands in its place.
  for (const part of [...behind, before]) {
    const secret = whole(part.replace(/^[^\w-]+/, ''));
    if (secret) return secret;
  }
  // Behind what somebody has put before it.
  return rest.split(/[^\w=-]+/).find((word) => word === whole(word));
}

/**
 * Looks for an address in what mail scanners, chats and people make of it: encoded, once or often; wrapped; with
 * something before, between or behind its parts. A part that is missing, or not whole, is left out. The same as find of
 * backend/sealed; both check backend/sealed/testdata/addresses.json.
 */
export function findAddress(text: string): Partial<LinkAddress> {
  const plain = unwrapped(text);
  for (const { index } of plain.matchAll(/\/j\//gi)) {
    const rest = plain.slice(index + 3).replace(/^[^\w#?&-]+/, '');
    const id = whole(rest);
    if (id) return withSecret({ id }, rest.slice(id.length));
  }
  return withSecret({}, plain.split('#').slice(1).join('#'));
}

function withSecret(found: Partial<LinkAddress>, rest: string): Partial<LinkAddress> {
  const secret = secretIn(rest);
  return secret ? { ...found, secret } : found;
}
