import type { LinkAddress } from '../address';
import { fromBase64url } from '../bytes';
import { unwrapped } from '../findAddress';

/** A way to the host's computer. */
interface Entry {
  readonly address: string;
  readonly port: number;
  readonly udp: boolean;
  /** It takes ICE over TCP, for networks that block UDP. */
  readonly tcp: boolean;
}

/** What a direct link holds. */
export interface DoorAddress extends LinkAddress {
  /** SHA-256 of the host's DTLS certificate, as a session description has it. */
  readonly fingerprint: string;
  readonly entries: readonly Entry[];
  /** Where else the link opens if no entry leads to the host: a relay's name, with a port if it has one. */
  readonly next?: string;
}

const fingerprintSize = 32;
const maxEntries = 3;
const minPort = 1024;
const kindUdp = 1;
const kindTcp = 2;
const kindIpv6 = 4;

/** Addresses that lead nowhere, or elsewhere than on the internet: first byte, bits, and so on (backend/door has the same). */
const special4 = [
  '0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24',
  '192.0.2.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/3',
]; // biome-ignore format: a table

const number4 = (bytes: readonly number[]) => bytes.reduce((all, byte) => all * 256 + byte, 0);

/** Whether an address is on the internet: a link must not aim its guests at their own network. */
export function isPublic(bytes: Uint8Array): boolean {
  if (bytes.length === 4) {
    const address = number4([...bytes]);
    return !special4.some((range) => {
      const [network = '', bits = ''] = range.split('/');
      const size = 2 ** (32 - Number(bits));
      const from = number4(network.split('.').map(Number));
      return address >= from && address < from + size;
    });
  }
  const [first, second] = [(bytes[0]! << 8) | bytes[1]!, (bytes[2]! << 8) | bytes[3]!];
  if (first >> 13 !== 1) return false; // 2000::/3
  return !(first === 0x2002 || (first === 0x2001 && (second < 0x200 || second === 0xdb8)));
}

function textOf(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(((bytes[i]! << 8) | bytes[i + 1]!).toString(16));
  return groups.join(':');
}

const decoded = (text: string) => fromBase64url(text, Math.floor((text.length * 3) / 4));

/** Reads the name of another way; undefined if it is none, as when a sentence goes on behind the address. */
function parseNext(text = ''): string | undefined {
  const name = String.fromCharCode(...(decoded(text) ?? []));
  return /^[a-z\d-]+(\.[a-z\d-]+)+(:\d+)?$/.test(name) && /[a-z]/.test(name) ? name : undefined;
}

/** Reads what follows the secret. Entries that are not public are left out. */
function parseDoor(text: string): Pick<DoorAddress, 'fingerprint' | 'entries'> | undefined {
  const bytes = decoded(text);
  if (!bytes || bytes.length <= fingerprintSize) return undefined;
  const entries: Entry[] = [];
  for (let at = fingerprintSize; at < bytes.length; ) {
    const kind = bytes[at++]!;
    const end = at + (kind & kindIpv6 ? 16 : 4);
    if (end + 2 > bytes.length) return undefined;
    const address = bytes.subarray(at, end);
    const port = (bytes[end]! << 8) | bytes[end + 1]!;
    at = end + 2;
    const [udp, tcp] = [(kind & kindUdp) !== 0, (kind & kindTcp) !== 0];
    if (isPublic(address) && port >= minPort && (udp || tcp))
      entries.push({ address: textOf(address), port, udp, tcp });
  }
  if (!entries.length || entries.length > maxEntries) return undefined;
  const hash = [...bytes.subarray(0, fingerprintSize)];
  const fingerprint = hash.map((b) => b.toString(16).padStart(2, '0')).join(':');
  return { fingerprint: fingerprint.toUpperCase(), entries };
}

/**
 * Looks for a direct link in an address as mail scanners, chats and hands make it: encoded, once or often, with something
 * behind it. Undefined if a part is missing, or not whole.
 */
export function findDoor(address: string): DoorAddress | undefined {
  const found = /d1\.([\w-]{21}[AQgw])\.([\w-]{21}[AQgw])\.([\w-]+)(?:\.([\w-]+))?/.exec(
    unwrapped(address),
  );
  const [, id, secret, door, behind] = found ?? [];
  const parsed = door && parseDoor(door);
  if (!id || !secret || !parsed) return undefined;
  const next = parseNext(behind);
  return { id, secret, ...parsed, ...(next && { next }) };
}
