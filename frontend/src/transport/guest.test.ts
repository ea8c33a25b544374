import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeHost, FakeLink, FakeSocket } from '../test/fakeHost';
import { closeCodes, type HostMessage } from './generated/signalling';
import { GuestTransport } from './guest';
import type { TransportState } from './transport';

const welcome: HostMessage = {
  type: 'welcome',
  payload: { version: 1, linkName: 'Book club', hostName: 'Ada' },
};
const seat = 'ICEiIyQlJicoKSorLC0uLw';
const admitted: HostMessage = { type: 'admitted', payload: { participant: 'p1', seat } };

/** A page of a link: its transport, the sockets it opened, what it was told. */
class Page {
  readonly sockets: FakeSocket[] = [];
  readonly states: TransportState[] = [];
  readonly messages: HostMessage[] = [];
  readonly local = new Map<string, string>();
  readonly session = new Map<string, string>();
  resumable = false;

  constructor(readonly link: FakeLink) {}

  load(): GuestTransport {
    const storage = (map: Map<string, string>) => ({
      getItem: (key: string) => map.get(key) ?? null,
      setItem: (key: string, value: string) => void map.set(key, value),
      removeItem: (key: string) => void map.delete(key),
    });
    const transport = new GuestTransport({
      link: this.link,
      resumable: () => this.resumable,
      environment: {
        location: {
          protocol: 'https:',
          host: 'porch.example:7674',
        },
        local: storage(this.local),
        session: storage(this.session),
        openSocket: (url, protocol) => {
          const socket = new FakeSocket(url, protocol);
          this.sockets.push(socket);
          return socket as unknown as WebSocket;
        },
      },
    });
    transport.onstate = (state) => this.states.push(state);
    transport.onmessage = (message) => this.messages.push(message);
    transport.connect();
    return transport;
  }

  get socket(): FakeSocket {
    return this.sockets[this.sockets.length - 1]!;
  }

  /** Resolves when the transport's last state is as described. */
  async reach(phase: TransportState['phase']): Promise<TransportState> {
    const last = () => this.states[this.states.length - 1];
    await until(() => last()?.phase === phase);
    return last()!;
  }

  async open(transport: GuestTransport): Promise<FakeHost> {
    const [host] = await FakeHost.greet(this.link, this.socket);
    await host.send(welcome);
    await this.reach('open');
    expect(transport.state.phase).toBe('open');
    return host;
  }
}

/** Waits without moving the clock, which moves only where a test says so. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

let page: Page;
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  page = new Page(await FakeLink.make());
});
afterEach(() => vi.useRealTimers());

describe('opening', () => {
  it('asks the relay for the id, and tells the secret to the host alone', async () => {
    const transport = page.load();
    expect(page.socket.url).toBe('wss://porch.example:7674/socket');
    expect(page.socket.protocol).toBe('porch.v1');
    const [host, hello] = await FakeHost.greet(page.link, page.socket);
    expect(page.socket.sent[0]).toBe(
      `{"type":"open","payload":{"version":1,"link":"${page.link.id}"}}`,
    );
    expect(hello).toEqual({
      type: 'hello',
      payload: {
        version: 1,
        secret: page.link.secret,
        device: expect.stringMatching(/^[\w-]{22}$/),
        takes: ['simulcast', 'opens', 'outside', 'door'],
      },
    });
    const inTheClear = page.socket.sent.map((data) =>
      typeof data === 'string' ? data : Buffer.from(data).toString('latin1'),
    );
    expect(inTheClear.join()).not.toContain(page.link.secret);
    expect(page.states).toEqual([{ phase: 'connecting', attempt: 0 }]);
    expect(transport.send({ type: 'leave', payload: {} })).toBe(false);

    await host.send(welcome);
    await page.reach('open');
    expect(page.messages).toEqual([welcome]);
    expect(transport.send({ type: 'knock', payload: { name: 'Zoë' } })).toBe(true);
    expect(await host.read(3)).toEqual({ type: 'knock', payload: { name: 'Zoë' } });
    transport.close();
  });

  it('keeps the order of what is sent and received at once', async () => {
    const transport = page.load();
    const host = await page.open(transport);
    const texts = Array.from({ length: 20 }, (_, i) => `line ${i}`);
    for (const text of texts) transport.send({ type: 'say', payload: { text } });
    for (let i = 0; i < texts.length; i++)
      expect(await host.read(3 + i)).toEqual({ type: 'say', payload: { text: texts[i] } });
    const frames: Uint8Array<ArrayBuffer>[] = [];
    for (let i = 0; i < 20; i++)
      frames.push(await host.seal({ type: 'left', payload: { id: `p${i}` } }));
    for (const frame of frames) page.socket.deliver(frame);
    await until(() => page.messages.length === 21);
    expect(page.messages.slice(1).map((m) => (m.payload as { id: string }).id)).toEqual(
      Array.from({ length: 20 }, (_, i) => `p${i}`),
    );
    transport.close();
  });

  it('keeps the device across loads', async () => {
    page.load().close();
    const first = page.local.get('porch.device');
    page.load().close();
    expect(first).toMatch(/^[\w-]{22}$/);
    expect(page.local.get('porch.device')).toBe(first);
  });

  it('refuses a key that is not the link’s', async () => {
    const transport = page.load();
    const other = await FakeLink.make();
    page.socket.accept();
    const { toBase64url } = await import('./bytes');
    page.socket.deliver(
      JSON.stringify({ type: 'opened', payload: { publicKey: toBase64url(other.publicKey) } }),
    );
    expect(await page.reach('refused')).toEqual({ phase: 'refused', code: 'key-mismatch' });
    expect(page.socket.sent).toHaveLength(1);
    expect(page.socket.readyState).toBe(page.socket.CLOSED);
    transport.close();
  });
});

describe('another version', () => {
  const refused = { phase: 'refused', code: 'version-unsupported' };

  it('of the host', async () => {
    const transport = page.load();
    const [host] = await FakeHost.greet(page.link, page.socket);
    await host.send({ type: 'welcome', payload: { version: 2, linkName: '', hostName: 'Ada' } });
    expect(await page.reach('refused')).toEqual(refused);
    expect(page.messages).toEqual([]);
    transport.close();
  });

  it('of ours, as the host says', async () => {
    const transport = page.load();
    const [host] = await FakeHost.greet(page.link, page.socket);
    await host.send({ type: 'fault', payload: { code: 'version-unsupported', message: '' } });
    expect(await page.reach('refused')).toEqual(refused);
    transport.close();
  });

  it('of ours, as the relay says', async () => {
    const transport = page.load();
    page.socket.accept();
    page.socket.lose(closeCodes.refused, 'version-unsupported');
    expect(await page.reach('refused')).toEqual(refused);
    transport.close();
  });
});

describe('links that do not answer', () => {
  const unavailable = (note: string) => JSON.stringify({ type: 'unavailable', payload: { note } });

  it('says unknown, and goes on trying', async () => {
    const transport = page.load();
    page.socket.accept();
    page.socket.deliver(unavailable('A'.repeat(86)));
    await until(() => transport.state.phase === 'unavailable');
    expect(transport.state).toEqual({ phase: 'unavailable', reason: 'unknown' });
    vi.advanceTimersByTime(10_000);
    expect(page.sockets).toHaveLength(2);
    expect(transport.state).toEqual({ phase: 'unavailable', reason: 'unknown' });
    transport.close();
  });

  it('says what a sealed note says, for good', async () => {
    const { readFileSync } = await import('node:fs');
    const vectors = JSON.parse(
      readFileSync(
        new URL('../../../backend/sealed/testdata/vectors.json', import.meta.url),
        'utf8',
      ),
    );
    for (const { reason, note } of vectors.notes.slice(0, 2)) {
      const link = { ...page.link, id: vectors.id, secret: vectors.secret } as FakeLink;
      const spentPage = new Page(link);
      spentPage.session.set(`porch.seat.${link.id}`, seat);
      const transport = spentPage.load();
      spentPage.socket.accept();
      spentPage.socket.deliver(unavailable(Buffer.from(note, 'hex').toString('base64url')));
      expect(await spentPage.reach('unavailable')).toEqual({ phase: 'unavailable', reason });
      expect(transport.hasSeat).toBe(false);
      expect(spentPage.sockets).toHaveLength(1);
      transport.close();
    }
  });

  it('is dropped unseen with a wrong secret: as if nobody were there', async () => {
    const transport = page.load();
    await FakeHost.greet(page.link, page.socket);
    page.socket.lose(closeCodes.refused);
    expect(await page.reach('unavailable')).toEqual({ phase: 'unavailable', reason: 'unknown' });
    transport.close();
  });
});

describe('coming back', () => {
  it('tries again when the network is lost, with seat and resumption', async () => {
    const transport = page.load();
    expect(transport.hasSeat).toBe(false);
    const host = await page.open(transport);
    await host.send(admitted);
    await until(() => transport.hasSeat);
    page.resumable = true;

    page.socket.lose(1006);
    await until(() => transport.state.phase === 'connecting');
    expect(transport.state).toEqual({ phase: 'connecting', attempt: 1 });
    expect(transport.send({ type: 'say', payload: { text: 'lost' } })).toBe(false);
    vi.advanceTimersByTime(250);
    expect(page.sockets).toHaveLength(2);
    const [back, hello] = await FakeHost.greet(page.link, page.socket);
    expect(hello.payload).toMatchObject({ seat, resume: true });
    await back.send(welcome);
    await until(() => transport.state.phase === 'open');
    transport.close();
  });

  it('asks for its seat after a reload, without resumption', async () => {
    page.session.set(`porch.seat.${page.link.id}`, seat);
    const transport = page.load();
    expect(transport.hasSeat).toBe(true);
    const [host, hello] = await FakeHost.greet(page.link, page.socket);
    expect(hello.payload).toMatchObject({ seat });
    expect(hello.payload).not.toHaveProperty('resume');
    await host.send(welcome);
    await host.send({ type: 'ended', payload: { reason: 'seat-gone' } });
    await until(() => page.messages.length === 2);
    expect(transport.hasSeat).toBe(false);
    expect(transport.state.phase).toBe('open');
    expect(page.session.size).toBe(0);
    transport.close();
  });

  it('waits longer each time, up to ten seconds', async () => {
    const transport = page.load();
    const waits: number[] = [];
    for (let i = 1; i <= 9; i++) {
      page.socket.lose(1006);
      await until(() => {
        const { state } = transport;
        return state.phase === 'connecting' && state.attempt === i;
      });
      let waited = 0;
      while (page.sockets.length === i) {
        vi.advanceTimersByTime(25);
        waited += 25;
      }
      waits.push(waited);
    }
    for (const [i, waited] of waits.entries()) {
      const most = Math.min(10_000, 250 * 2 ** i);
      expect(waited).toBeGreaterThanOrEqual(most / 2);
      expect(waited).toBeLessThanOrEqual(most + 25);
    }
    transport.close();
    vi.advanceTimersByTime(60_000);
    expect(page.sockets).toHaveLength(10);
  });

  it('says that the host is away when the relay says so', async () => {
    const transport = page.load();
    await page.open(transport);
    page.socket.lose(closeCodes.hostGone);
    const state = await page.reach('hostAway');
    expect(state).toMatchObject({ attempt: 1, since: expect.any(Number) });
    transport.retryNow();
    page.socket.accept();
    page.socket.deliver(JSON.stringify({ type: 'unavailable', payload: { note: 'A'.repeat(86) } }));
    await page.sockets[1]!.untilClosed();
    expect(transport.state).toMatchObject({ phase: 'hostAway', attempt: 1 });
    expect((transport.state as { since: number }).since).toBe((state as { since: number }).since);
    transport.close();
  });

  it('keeps trying and keeps the seat when the app shuts down', async () => {
    const transport = page.load();
    const host = await page.open(transport);
    await host.send(admitted);
    await host.send({ type: 'ended', payload: { reason: 'shutdown' } });
    await until(() => page.messages.length === 3);
    page.socket.lose(closeCodes.done);
    await page.reach('hostAway');
    expect(transport.hasSeat).toBe(true);
    transport.close();
  });

  it('tells a relay that wants fewer tries from one that is away, and keeps trying', async () => {
    const transport = page.load();
    page.socket.accept();
    page.socket.lose(closeCodes.tooFast, 'too-fast');
    const state = await page.reach('connecting');
    expect(state).toEqual({ phase: 'connecting', attempt: 1, tooFast: true });
    vi.advanceTimersByTime(250);
    page.socket.lose(1006);
    await until(() => transport.state.phase === 'connecting' && transport.state.attempt === 2);
    expect(transport.state).toEqual({ phase: 'connecting', attempt: 2 });
    transport.close();
  });

  it('gives up when a socket stays silent', async () => {
    const transport = page.load();
    page.socket.accept();
    vi.advanceTimersByTime(10_000);
    expect(page.socket.readyState).toBe(page.socket.CLOSED);
    expect(transport.state).toEqual({ phase: 'connecting', attempt: 1 });
    transport.close();
  });
});

describe('ending', () => {
  it('is final after the host said ended, until asked to try again', async () => {
    const transport = page.load();
    const host = await page.open(transport);
    await host.send(admitted);
    await host.send({ type: 'ended', payload: { reason: 'kicked' } });
    await until(() => page.messages.length === 3);
    page.socket.lose(closeCodes.done);
    await page.reach('closed');
    expect(transport.hasSeat).toBe(false);
    expect(page.sockets).toHaveLength(1);
    transport.retryNow();
    expect(page.sockets).toHaveLength(2);
    await page.open(transport);
    transport.close();
  });

  it('sends what was given to it before it closes', async () => {
    const transport = page.load();
    const host = await page.open(transport);
    transport.send({ type: 'leave', payload: {} });
    transport.close();
    expect(await host.read(3)).toEqual({ type: 'leave', payload: {} });
    await page.socket.untilClosed();
    expect(page.socket.closedWith).toBe(closeCodes.done);
    expect(page.states[page.states.length - 1]).toEqual({ phase: 'closed' });
    const states = page.states.length;
    page.socket.lose(1006);
    transport.retryNow();
    expect(page.states).toHaveLength(states);
    expect(page.sockets).toHaveLength(1);
  });
});

describe('frames that their way has damaged cost a connection, and no more', () => {
  const bad: Record<string, (host: FakeHost) => Promise<Uint8Array<ArrayBuffer>>> = {
    replayed: async (host) => {
      const frame = await host.seal(admitted);
      page.socket.deliver(frame);
      return frame;
    },
    'with a gap before it': async (host) => {
      await host.seal(admitted);
      return host.seal(admitted);
    },
    truncated: async (host) => (await host.seal(admitted)).slice(0, 20),
    'cut off at the end': async (host) => (await host.seal(admitted)).slice(0, -1),
    changed: async (host) => {
      const frame = await host.seal(admitted);
      frame[20]! ^= 1;
      return frame;
    },
  };
  for (const [name, make] of Object.entries(bad)) {
    it(name, async () => {
      const transport = page.load();
      const host = await page.open(transport);
      const broken = page.socket;
      broken.deliver(await make(host));
      expect(await page.reach('connecting')).toEqual({ phase: 'connecting', attempt: 1 });
      expect(broken.readyState).toBe(broken.CLOSED);
      transport.retryNow();
      expect(page.sockets).toHaveLength(2);
      transport.close();
    });
  }
});

describe('bad frames end the connection with their code', () => {
  const bad: Record<
    string,
    [string, (host: FakeHost) => Promise<string | Uint8Array<ArrayBuffer>>]
  > = {
    'in the clear': ['message-unexpected', async () => JSON.stringify(welcome)],
    'of another kind than JSON': ['message-malformed', (host) => host.seal('hello')],
    'of a list': ['message-malformed', (host) => host.seal('[]')],
    'with a field of another kind': [
      'message-invalid',
      (host) => host.seal('{"type":"admitted","payload":{"participant":1,"seat":"x"}}'),
    ],
    'without a field': ['message-invalid', (host) => host.seal('{"type":"left","payload":{}}')],
    'with null for a payload of fields': [
      'message-invalid',
      (host) => host.seal('{"type":"left","payload":null}'),
    ],
    'with an unknown reason': [
      'message-invalid',
      (host) => host.seal('{"type":"ended","payload":{"reason":"bored"}}'),
    ],
    'named like a part of every object': [
      'message-invalid',
      (host) => host.seal('{"type":"left","payload":{"__proto__":{"id":"p1"}}}'),
    ],
  };
  for (const [name, [code, make]] of Object.entries(bad)) {
    it(name, async () => {
      const transport = page.load();
      const host = await page.open(transport);
      page.socket.deliver(await make(host));
      expect(await page.reach('refused')).toEqual({ phase: 'refused', code });
      expect(page.socket.readyState).toBe(page.socket.CLOSED);
      expect(page.sockets).toHaveLength(1);
      transport.close();
    });
  }

  it('but messages of a type that came later are skipped', async () => {
    const transport = page.load();
    const host = await page.open(transport);
    await host.send('{"type":"hologram","payload":{}}');
    await host.send('{"type":"toString"}');
    await host.send(admitted);
    await until(() => page.messages.length === 2);
    expect(transport.state.phase).toBe('open');
    transport.close();
  });

  it('from the relay too', async () => {
    for (const [text, code] of [
      ['{"type":"welcome"}', 'message-unknown'],
      ['{"type":"opened","payload":{}}', 'message-invalid'],
      ['{"type":"opened","payload":{"publicKey":"x"}}', 'key-mismatch'],
      ['x'.repeat(2000), 'frame-too-large'],
      ['', 'message-malformed'],
    ] as const) {
      const transport = page.load();
      page.socket.accept();
      page.socket.deliver(text);
      expect(await page.reach('refused')).toEqual({ phase: 'refused', code });
      transport.close();
    }
  });
});

describe('a network that goes deaf', () => {
  const pinging: HostMessage = {
    ...welcome,
    payload: { ...welcome.payload, pings: true },
  } as HostMessage;
  const begin = async () => {
    const transport = page.load();
    const [host] = await FakeHost.greet(page.link, page.socket);
    await host.send(pinging);
    await page.reach('open');
    return { transport, host };
  };
  const ping = { type: 'ping', payload: {} };

  it('is noticed within 20 s', async () => {
    const { transport, host } = await begin();
    vi.advanceTimersByTime(8_000);
    expect(await host.read(3)).toEqual(ping);
    vi.advanceTimersByTime(7_999);
    expect(transport.state.phase).toBe('open');
    vi.advanceTimersByTime(1);
    expect(transport.state).toEqual({ phase: 'connecting', attempt: 1 });
    expect(page.socket.readyState).toBe(page.socket.CLOSED);
    transport.close();
  });

  it('is not suspected while something is heard', async () => {
    const said: HostMessage = { type: 'speaking', payload: { ids: [] } };
    const { transport, host } = await begin();
    for (let i = 0; i < 5; i++) {
      vi.advanceTimersByTime(8_000);
      expect(await host.read(3 + i)).toEqual(ping);
      vi.advanceTimersByTime(7_000);
      await host.send({ type: 'pong', payload: {} });
      await host.send(said); // what comes behind the pong shows that it has been read
      await until(() => page.messages.length === i + 2);
    }
    expect(transport.state.phase).toBe('open');
    expect(page.messages.slice(1)).toEqual(Array(5).fill(said)); // pongs are nobody else's
    transport.close();
  });

  it('is noticed at once when the browser says that something has changed', async () => {
    const listeners = new Map<string, () => void>();
    vi.stubGlobal('addEventListener', (type: string, f: () => void) => listeners.set(type, f));
    vi.stubGlobal('removeEventListener', (type: string) => listeners.delete(type));
    const { transport, host } = await begin();
    for (const type of ['online', 'offline', 'pageshow']) listeners.get(type)!();
    expect(await host.read(3)).toEqual(ping);
    vi.advanceTimersByTime(4_000);
    expect(transport.state).toEqual({ phase: 'connecting', attempt: 1 });
    expect(page.socket.sent).toHaveLength(4); // one ping is enough
    transport.close();
    expect(listeners.size).toBe(0);
    vi.unstubAllGlobals();
  });

  it('is left to the socket by a host that does not answer', async () => {
    const transport = page.load();
    await page.open(transport);
    vi.advanceTimersByTime(120_000);
    expect([transport.state.phase, page.socket.sent.length]).toEqual(['open', 3]);
    transport.close();
  });
});

describe('a page that goes away', () => {
  const farewell = 'AAECAwQFBgcICQoLDA0ODw';
  const stub = () => {
    const listeners = new Map<string, () => void>();
    vi.stubGlobal('addEventListener', (type: string, f: () => void) => listeners.set(type, f));
    return listeners;
  };
  afterEach(() => void vi.unstubAllGlobals());

  it('says farewell as it is, at once, and comes back if the browser keeps it', async () => {
    const listeners = stub();
    const transport = page.load();
    const host = await page.open(transport);
    await host.send({ ...admitted, payload: { ...admitted.payload, farewell } } as HostMessage);
    expect(await host.read(3)).toEqual({ type: 'seated', payload: {} });
    const { socket } = page;
    listeners.get('pagehide')!();
    expect(socket.sent[4]).toEqual(Uint8Array.from({ length: 16 }, (_, i) => i));
    expect(socket.closedWith).toBe(closeCodes.done);
    expect(transport.send({ type: 'leave', payload: {} })).toBe(false);
    expect(transport.state).toEqual({ phase: 'connecting', attempt: 1 });
    listeners.get('pageshow')!();
    expect(page.sockets).toHaveLength(2);
    expect(transport.hasSeat).toBe(true);
    transport.close();
  });

  it('keeps the way back to a seat that another page has', async () => {
    const transport = page.load();
    const host = await page.open(transport);
    await host.send(admitted);
    const back = 'MDEyMzQ1Njc4OTo7PD0-Pw';
    await host.send({ type: 'ended', payload: { reason: 'replaced', seat: back } });
    await until(() => page.messages.length === 3);
    page.socket.lose(closeCodes.done);
    await page.reach('closed');
    expect([...page.session.values()]).toEqual([back]);
    const again = page.load();
    const [, hello] = await FakeHost.greet(page.link, page.socket);
    expect(hello).toMatchObject({ payload: { seat: back } });
    again.close();
  });
});
