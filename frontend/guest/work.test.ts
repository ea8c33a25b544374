import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { fromBase64url, toBase64url } from '$src/transport/bytes';
import { work } from './work';

it('finds what the host asks for', async () => {
  const challenge = crypto.getRandomValues(new Uint8Array(16));
  const found = await work(toBase64url(challenge), 12);
  const sum = createHash('sha256').update(challenge).update(fromBase64url(found!, 8)!).digest();
  expect(sum.readUInt16BE(0) >> 4).toBe(0);
  expect(await work('not a challenge', 1)).toBeUndefined();
});

it('does no more than a host may ask for, and ends when nobody wants it', async () => {
  const challenge = toBase64url(new Uint8Array(16));
  expect(await work(challenge, 33)).toBeUndefined();
  expect(await work(challenge, 23)).toBeUndefined();
  let left = 3;
  expect(await work(challenge, 22, () => left-- > 0)).toBeUndefined();
});
