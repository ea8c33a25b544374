import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { fromBase64url } from '../bytes';
import { findDoor, isPublic } from './address';
import { answerTo, newCredentials } from './description';
import { DoorSocket } from './socket';

const vectors = JSON.parse(
  readFileSync(new URL('../../../../backend/door/testdata/vectors.json', import.meta.url), 'utf8'),
) as Record<
  'secret' | 'id' | 'tag' | 'ufrag' | 'password' | 'fingerprint' | 'fragment' | 'next',
  string
> & {
  entries: { address: string; port: number; udp: boolean; tcp: boolean }[];
  public: string[];
  notPublic: string[];
};
const page = `https://porch.example/call/${vectors.fragment}`;
const door = findDoor(page)!;

/** The bytes of an address, as its text is written in the vectors. */
function bytesOf(text: string): Uint8Array {
  if (!text.includes(':')) return Uint8Array.from(text.split('.').map(Number));
  const mapped = text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) =>
    [a * 256 + +b, c * 256 + +d].map((n) => n.toString(16)).join(':'),
  );
  const [head = '', tail = ''] = mapped.split('::');
  const groups = (part: string) => part.split(':').filter(Boolean);
  const missing = mapped.includes('::') ? 8 - groups(head).length - groups(tail).length : 0;
  const all = [...groups(head), ...Array<string>(missing).fill('0'), ...groups(tail)];
  return Uint8Array.from(
    all.flatMap((g) => [Number.parseInt(g, 16) >> 8, Number.parseInt(g, 16) & 255]),
  );
}

describe('the address of a direct link', () => {
  it('is read as the app writes it', () => {
    const { id, secret, fingerprint, entries, next } = vectors;
    expect(door).toEqual({ id, secret, fingerprint, entries, next });
  });

  it('survives what mail scanners, chats and hands do to it', () => {
    for (const mangled of [
      `${page}.`,
      `<${page}>`,
      page.replace('#', '%23'),
      page.replace('#', '%2523'),
      page.replace('#', '#%23'),
      page.replace('#', '&#35;'),
      `https://scanner.example/?url=${encodeURIComponent(page)}`,
      page.replace('d1.', 'd1.\u200b'),
    ])
      expect(findDoor(mangled), mangled).toEqual(door);
  });

  it('has another way only if that is a name', () => {
    const { next: _, ...alone } = door;
    const without = page.slice(0, page.lastIndexOf('.'));
    expect(findDoor(without)).toEqual(alone);
    const named = (text: string) => findDoor(`${without}.${btoa(text).replaceAll('=', '')}`)?.next;
    expect(named('call.example.org:8443')).toBe('call.example.org:8443');
    for (const text of ['localhost', '192.168.1.1', 'x@call.example', 'a.b/c', 'a.b#c', '.a', ''])
      expect(named(text), text).toBeUndefined();
    expect(findDoor(`${without}.Please`)).toEqual(alone);
  });

  it('is refused without all of its parts', () => {
    for (const part of [
      page.slice(0, page.lastIndexOf('.') - 12),
      page.slice(0, -120),
      page.replace('d1.', 'd2.'),
      page.replace(`.${vectors.secret}`, ''),
      page.split('#')[0]!,
    ])
      expect(findDoor(part), part).toBeUndefined();
  });

  it('leads to the internet only', () => {
    for (const text of vectors.public) expect(isPublic(bytesOf(text)), text).toBe(true);
    for (const text of vectors.notPublic) expect(isPublic(bytesOf(text)), text).toBe(false);
    const hash = 'A'.repeat(42);
    // 192.168.1.1:5000, and 44.128.1.1:80, behind 32 zeros
    for (const entries of ['AcCoAQETiA', 'ASyAAQEAUA'].map((e) => `${hash}A${e}`))
      expect(findDoor(`https://x/#d1.${vectors.id}.${vectors.secret}.${entries}`)).toBeUndefined();
  });
});

describe('the answer', () => {
  it('has the credentials that the app derives, new ones each time', async () => {
    const secret = fromBase64url(vectors.secret, 16)!;
    vi.spyOn(crypto, 'getRandomValues').mockImplementationOnce((array) => {
      (array as Uint8Array).set(Array.from({ length: 12 }, (_, i) => 200 + i));
      return array;
    });
    const { ufrag, password } = vectors;
    expect(await newCredentials(secret)).toEqual({ ufrag, password });
    const other = await newCredentials(secret);
    expect(other.ufrag).not.toBe(ufrag);
    expect(other.ufrag.slice(0, 8)).toBe(vectors.tag);
  });

  it('has what browsers want', () => {
    const sdp = answerTo('v=0\r\na=mid:data\r\n', door, vectors);
    for (const line of [
      'a=group:BUNDLE data',
      'a=mid:data',
      'a=ice-lite',
      'a=setup:passive',
      'a=sctp-port:5000',
      `a=fingerprint:sha-256 ${vectors.fingerprint}`,
      `a=ice-ufrag:${vectors.ufrag}`,
      `a=ice-pwd:${vectors.password}`,
    ])
      expect(sdp).toContain(`${line}\r\n`);
    const candidates = [...sdp.matchAll(/^a=candidate:\d+ 1 (udp|tcp) (\d+) (\S+) (\d+)/gm)];
    expect(candidates.map(([, protocol, , address]) => `${protocol} ${address}`)).toEqual([
      'udp 44.128.1.1',
      'tcp 44.128.1.1',
      'udp 2a00:1450:0:0:0:0:0:1',
      'tcp 44.128.1.1',
    ]);
    expect(Number(candidates[0]![2])).toBeGreaterThan(Number(candidates[1]![2]));
  });
});

/** A data channel and its connection, as far as the socket uses them. */
class FakeChannel {
  readyState = 'connecting';
  binaryType = '';
  sent: (string | Uint8Array)[] = [];
  onopen?: (event: Event) => void;
  onmessage?: (event: { data: unknown }) => void;
  onclose?: () => void;
  send(data: string | Uint8Array) {
    this.sent.push(data);
  }
  close() {
    this.readyState = 'closing';
  }
  open() {
    this.readyState = 'open';
    this.onopen?.(new Event('open'));
  }
  hear(...data: (string | number[])[]) {
    for (const d of data)
      this.onmessage?.({ data: typeof d === 'string' ? d : Uint8Array.from(d).buffer });
  }
}

describe('the socket', () => {
  let channel: FakeChannel;
  let peer: {
    close: ReturnType<typeof vi.fn>;
    connectionState: string;
    onconnectionstatechange?: () => void;
  };
  let closed: { code: number; reason: string }[];
  let heard: unknown[];
  let socket: DoorSocket;

  beforeEach(() => {
    vi.useFakeTimers();
    channel = new FakeChannel();
    closed = [];
    heard = [];
    class Peer {
      connectionState = 'new';
      close = vi.fn();
      createDataChannel = () => channel;
      createOffer = async () => ({ sdp: 'a=mid:0' });
      setLocalDescription = async () => {};
      setRemoteDescription = async () => {};
      constructor() {
        peer = this;
      }
    }
    vi.stubGlobal('RTCPeerConnection', Peer);
    vi.stubGlobal(
      'CloseEvent',
      class extends Event {
        readonly code: number;
        readonly reason: string;
        constructor(type: string, { code, reason }: { code: number; reason: string }) {
          super(type);
          this.code = code;
          this.reason = reason;
        }
      },
    );
    socket = new DoorSocket(door);
    socket.onmessage = ({ data }) =>
      heard.push(typeof data === 'string' ? data : [...new Uint8Array(data as ArrayBuffer)]);
    socket.onclose = ({ code, reason }) => closed.push({ code, reason });
  });

  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  it('passes text and frames on, which come in parts', () => {
    channel.open();
    expect(socket.readyState).toBe(socket.OPEN);
    channel.hear('{"type":"opened"}', [1, 10, 11], [0, 12], [0, 13]);
    expect(heard).toEqual(['{"type":"opened"}', [10, 11, 12], [13]]);
    socket.send('text');
    socket.send(new Uint8Array(16 * 1024 + 5).fill(7));
    const [text, first, second] = channel.sent as [string, Uint8Array, Uint8Array];
    expect([text, first[0], first.length, second[0], second.length]).toEqual([
      'text',
      1,
      16 * 1024 + 1,
      0,
      6,
    ]);
  });

  it('ends as the host says', async () => {
    channel.open();
    channel.hear('4410 host-gone');
    await vi.advanceTimersByTimeAsync(1);
    expect(closed).toEqual([{ code: 4410, reason: 'host-gone' }]);
    expect(peer.close).toHaveBeenCalled();
    expect(socket.readyState).not.toBe(socket.OPEN);
  });

  it('tells whether the host has answered', async () => {
    const outcomes: boolean[] = [];
    channel = new FakeChannel();
    new DoorSocket(door, (opened) => outcomes.push(opened));
    await vi.advanceTimersByTimeAsync(6_100);
    expect(outcomes).toEqual([false]);
    channel = new FakeChannel();
    new DoorSocket(door, (opened) => outcomes.push(opened));
    channel.open();
    channel.onclose?.();
    expect(outcomes).toEqual([false, true]);
  });

  it('gives up when no answer comes, and when it was lost', async () => {
    await vi.advanceTimersByTimeAsync(5_900);
    expect(closed).toEqual([]);
    await vi.advanceTimersByTimeAsync(200);
    expect(closed).toEqual([{ code: 1006, reason: '' }]);
    channel = new FakeChannel();
    const other = new DoorSocket(door);
    other.onclose = ({ code }) => closed.push({ code, reason: 'other' });
    channel.open();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(closed.length).toBe(1);
    peer.connectionState = 'disconnected';
    peer.onconnectionstatechange?.();
    await vi.advanceTimersByTimeAsync(1);
    expect(closed[1]).toEqual({ code: 1006, reason: 'other' });
  });

  it('says that it closes, and does not hear itself', async () => {
    channel.open();
    socket.close(1000);
    socket.close(1000);
    expect(channel.sent).toEqual(['1000']);
    expect(peer.close).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1_001);
    expect(peer.close).toHaveBeenCalled();
    expect(closed).toEqual([]);
  });

  it('takes no frame without an end', async () => {
    channel.open();
    for (let i = 0; i < 30; i++) channel.hear([1, ...Array<number>(10_000).fill(0)]);
    await vi.advanceTimersByTimeAsync(1);
    expect(closed[0]?.code).toBe(4413);
  });
});
