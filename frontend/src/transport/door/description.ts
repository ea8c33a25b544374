import { type Bytes, fromText } from '../bytes';
import type { DoorAddress } from './address';

/** What the host and the page agree upon without a word: made of the secret, anew for each connection. */
export interface Credentials {
  readonly ufrag: string;
  readonly password: string;
}

const base64 = (bytes: ArrayBuffer | Bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes)));

/** Derives the credentials of a new connection. Plain base64 is the alphabet of ICE. */
export async function newCredentials(secret: Bytes): Promise<Credentials> {
  const key = await crypto.subtle.importKey('raw', secret, 'HKDF', false, ['deriveBits']);
  const derive = async (info: string, size: number) =>
    base64(
      await crypto.subtle.deriveBits(
        { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info: fromText(info) },
        key,
        size * 8,
      ),
    );
  const tag = await derive('porch door tag v1', 6);
  const ufrag = tag + base64(crypto.getRandomValues(new Uint8Array(12)));
  return { ufrag, password: await derive(`porch door password v1 ${ufrag}`, 24) };
}

/** Writes the answer that the host would give to our offer. */
export function answerTo(
  offer: string,
  door: DoorAddress,
  { ufrag, password }: Credentials,
): string {
  const mid = /^a=mid:(\S+)/m.exec(offer)?.[1] ?? '0';
  const candidates = door.entries.flatMap(({ address, port, udp, tcp }, i) => {
    const low = 2 ** 24 - i;
    const at = `${address} ${port} typ host`;
    return [
      udp && `a=candidate:${i + 1} 1 udp ${2 ** 30 + low} ${at}`,
      tcp && `a=candidate:${i + 9} 1 tcp ${2 ** 29 + low} ${at} tcptype passive`,
    ].filter((line) => line !== false);
  });
  return [
    'v=0',
    'o=- 1 1 IN IP4 0.0.0.0',
    's=-',
    't=0 0',
    `a=group:BUNDLE ${mid}`,
    'a=ice-lite',
    'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
    'c=IN IP4 0.0.0.0',
    `a=mid:${mid}`,
    `a=ice-ufrag:${ufrag}`,
    `a=ice-pwd:${password}`,
    `a=fingerprint:sha-256 ${door.fingerprint}`,
    'a=setup:passive',
    'a=sctp-port:5000',
    'a=max-message-size:65536',
    ...candidates,
    'a=end-of-candidates',
    '',
  ].join('\r\n');
}
