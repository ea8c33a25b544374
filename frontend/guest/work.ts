// The work that a host asks for while many knock at once: it costs a guest a moment, and a flood more than it is worth.

import type { Bytes } from '$src/transport/bytes';
import { concat, fromBase64url, toBase64url } from '$src/transport/bytes';
import { maxWorkBits } from '$src/transport/generated/signalling';

/** How many hashes are made before the page may do something else. */
const slice = 256;

/**
 * 8 bytes with which SHA-256 of the challenge begins with so many zero bits; undefined for a challenge that is none, for more
 * bits than a host may ask for, and when it is not wanted any longer.
 */
export async function work(
  challenge: string,
  bits: number,
  wanted = () => true,
): Promise<string | undefined> {
  const given = fromBase64url(challenge, 16);
  if (!given || bits > maxWorkBits) return undefined;
  for (let from = 0; wanted(); from += slice) {
    const tries = await Promise.all(
      Array.from({ length: slice }, (_, i) => attempt(given, from + i)),
    );
    const found = tries.find(({ zeros }) => zeros >= bits);
    if (found) return toBase64url(found.nonce);
  }
  return undefined;
}

async function attempt(given: Bytes, n: number): Promise<{ nonce: Bytes; zeros: number }> {
  const nonce = new Uint8Array(8);
  new DataView(nonce.buffer).setBigUint64(0, BigInt(n));
  const sum = new DataView(await crypto.subtle.digest('SHA-256', concat(given, nonce)));
  return { nonce, zeros: Math.clz32(sum.getUint32(0)) };
}
