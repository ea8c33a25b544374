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
