// Which browser this is: a key that it keeps for one host, which no script can read, and a proof of it that is good for
// one channel. A host knows a browser again by it, whatever name is typed. See docs/protocol.md, "Which browser knocks".

import type { Work } from '$src/transport';
import { concat, fromText, toBase64url } from '$src/transport/bytes';
import type { Channel, Proof } from './session.svelte';
import { work } from './work';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };

/** Runs one request on the store of keys. */
function stored<T>(
  mode: IDBTransactionMode,
  use: (keys: IDBObjectStore) => IDBRequest<T>,
): Promise<T> {
  return new Promise((done, failed) => {
    const opening = indexedDB.open('porch', 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore('keys');
    opening.onerror = () => failed(opening.error);
    opening.onsuccess = () => {
      const database = opening.result;
      const request = use(database.transaction('keys', mode).objectStore('keys'));
      request.onsuccess = () => done(request.result);
      request.onerror = () => failed(request.error);
      request.transaction!.oncomplete = () => database.close();
    };
  });
}

async function keyFor(host: string): Promise<CryptoKeyPair> {
  const kept = await stored<CryptoKeyPair | undefined>('readonly', (keys) => keys.get(host));
  if (kept) return kept;
  const made = await crypto.subtle.generateKey(algorithm, false, ['sign', 'verify']);
  await stored('readwrite', (keys) => keys.put(made, host));
  return made;
}

/** How long a knock waits for its proof, in milliseconds. */
const patience = 2000;

/** What a knock says of this browser: its key for the host, where it keeps one, and the work that was asked for, if it is wanted to its end. */
export async function prove(
  channel: Channel,
  host?: string,
  asked?: Work,
  wanted?: () => boolean,
): Promise<Proof> {
  const late = new Promise<undefined>((done) => setTimeout(done, patience));
  const [proof, done] = await Promise.all([
    host && Promise.race([sign(host, channel).catch(() => undefined), late]),
    asked && work(asked.challenge, asked.bits, wanted),
  ]);
  return {
    ...(proof || undefined),
    ...(navigator.webdriver && { automated: true }),
    ...(done && { work: done }),
    takes: ['word', 'work'],
  };
}

async function sign(host: string, channel: Channel): Promise<Proof | undefined> {
  const binding = await channel.binding?.();
  if (!binding) return undefined;
  const { privateKey, publicKey } = await keyFor(host);
  const [key, proof] = await Promise.all([
    crypto.subtle.exportKey('raw', publicKey),
    crypto.subtle.sign(
      { name: 'ECDSA', hash: 'SHA-256' },
      privateKey,
      concat(fromText('porch browser v1'), binding),
    ),
  ]);
  return { key: toBase64url(new Uint8Array(key)), proof: toBase64url(new Uint8Array(proof)) };
}
