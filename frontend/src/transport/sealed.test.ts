import { readFileSync } from 'node:fs';
import { Aes128Gcm, CipherSuite, DhkemP256HkdfSha256, HkdfSha256 } from '@hpke/core';
import { describe, expect, it } from 'vitest';
import { parseLocation } from './address';
import { type Bytes, fromBase64url, fromText, toBase64url } from './bytes';
import { codeOf } from './fault';
import { Channel, openNote } from './sealed';

interface Vectors {
  privateKey: string;
  publicKey: string;
  id: string;
  secret: string;
  addresses: { address: string; base?: string; fault?: string }[];
  ephemeralPrivateKey: string;
  opening: string;
  frames: { from: 'guest' | 'host'; plain: string; frame: string }[];
  refused: { name: string; to: 'guest' | 'host'; after: number; frame: string; fault: string }[];
  notes: { reason?: string; note: string; fault?: string }[];
}

// What Go made: backend/sealed/vectors_test.go.
const vectors: Vectors = JSON.parse(
  readFileSync(new URL('../../../backend/sealed/testdata/vectors.json', import.meta.url), 'utf8'),
);

const unhex = (text: string): Bytes =>
  Uint8Array.from(text.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const suite = new CipherSuite({
  kem: new DhkemP256HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Aes128Gcm(),
});

/** The vectors' ephemeral key pair, so that the channel opens as Go's did. */
async function ephemeral(): Promise<CryptoKeyPair> {
  const opening = unhex(vectors.opening);
  const jwk = {
    kty: 'EC',
    crv: 'P-256',
    d: toBase64url(unhex(vectors.ephemeralPrivateKey)),
    x: toBase64url(opening.subarray(1, 33)),
    y: toBase64url(opening.subarray(33)),
  };
  return {
    privateKey: await crypto.subtle.importKey(
      'jwk',
      jwk,
      { name: 'ECDH', namedCurve: 'P-256' },
      true,
      ['deriveBits'],
    ),
    publicKey: await suite.kem.deserializePublicKey(opening.buffer),
  };
}

const open = async () => Channel.open(unhex(vectors.publicKey), vectors.id, await ephemeral());

describe('the sealed channel', () => {
  it('makes and reads the frames that Go makes and reads', async () => {
    const channel = await open();
    expect(hex(channel.opening)).toBe(vectors.opening);
    for (const { from, plain, frame } of vectors.frames) {
      if (from === 'guest') expect(hex(await channel.seal(unhex(plain)))).toBe(frame);
      else expect(hex(await channel.open(unhex(frame)))).toBe(plain);
    }
  });

  for (const { name, to, after, frame, fault } of vectors.refused.filter((r) => r.to === 'guest')) {
    it(`refuses a frame: ${name} (${to})`, async () => {
      const channel = await open();
      for (const f of vectors.frames.filter((f) => f.from === 'host').slice(0, after))
        expect(hex(await channel.open(unhex(f.frame)))).toBe(f.plain);
      expect(await channel.open(unhex(frame)).then(() => 'opened', codeOf)).toBe(fault);
    });
  }

  it('refuses frames above the limit, both ways', async () => {
    const channel = await open();
    const large = new Uint8Array(256 * 1024 + 1);
    expect(await channel.seal(large).then(() => 'sealed', codeOf)).toBe('frame-too-large');
    const frame = new Uint8Array(32 + 8 + large.length + 16);
    expect(await channel.open(frame).then(() => 'opened', codeOf)).toBe('frame-too-large');
  });

  it('seals one frame before the host has answered, and no second', async () => {
    const channel = await open();
    await channel.seal(fromText('hello'));
    expect(await channel.seal(fromText('more')).then(() => 'sealed', codeOf)).toBe(
      'message-unexpected',
    );
  });

  it('takes no other key for the id', async () => {
    const key = unhex(vectors.publicKey);
    const refusal = (bytes: Bytes, id: string) =>
      Channel.open(bytes, id).then(() => 'open', codeOf);
    const other = await suite.kem.generateKeyPair();
    expect(
      await refusal(
        new Uint8Array(await suite.kem.serializePublicKey(other.publicKey)),
        vectors.id,
      ),
    ).toBe('key-mismatch');
    expect(await refusal(key.slice(1), vectors.id)).toBe('key-mismatch');
    expect(await refusal(new Uint8Array(), vectors.id)).toBe('key-mismatch');
    const notOnCurve = key.slice();
    notOnCurve[40]! ^= 1;
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', notOnCurve));
    expect(await refusal(notOnCurve, toBase64url(digest.subarray(0, 16)))).toBe('key-mismatch');
  });

  it('is another each time', async () => {
    const key = unhex(vectors.publicKey);
    const [a, b] = await Promise.all([
      Channel.open(key, vectors.id),
      Channel.open(key, vectors.id),
    ]);
    expect(hex(a.opening)).not.toBe(hex(b.opening));
  });
});

describe('notes', () => {
  it('tell who holds the link what Go wrote', async () => {
    const secret = fromBase64url(vectors.secret, 16)!;
    for (const { reason, note } of vectors.notes)
      expect(await openNote(secret, vectors.id, unhex(note))).toBe(reason);
    const [first] = vectors.notes;
    expect(await openNote(new Uint8Array(16), vectors.id, unhex(first!.note))).toBeUndefined();
  });
});

describe('addresses', () => {
  for (const { address, fault } of vectors.addresses) {
    it(`${fault ?? 'reads'} ${address}`, () => {
      const { pathname, hash } = new URL(address);
      expect(parseLocation(pathname, hash)).toEqual(
        fault ? undefined : { id: vectors.id, secret: vectors.secret },
      );
    });
  }
});

describe('base64url', () => {
  it('has one text for each value', () => {
    expect(fromBase64url('AAAAAAAAAAAAAAAAAAAAAA', 16)).toEqual(new Uint8Array(16));
    for (const text of [
      'AAAAAAAAAAAAAAAAAAAAAB',
      'AAAAAAAAAAAAAAAAAAAAA',
      'AAAAAAAAAAAAAAAAAAAAAAA',
      'AAAAAAAAAAAAAAAAAAAA==',
      '++++++++++++++++++++++',
      'AAAAAAAAAAAAAAAAAAAA\n\n',
    ])
      expect(fromBase64url(text, 16)).toBeUndefined();
  });
});
