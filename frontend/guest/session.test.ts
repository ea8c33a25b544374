import { readFileSync } from 'node:fs';
import { beforeEach, describe, expect, it, type Mock, vi } from 'vitest';
import { Call } from '$src/call/model/call.svelte';
import type { Own } from '$src/media/webview/capture.svelte';
import type {
  EndReason,
  GuestMessage,
  HostMessage,
  ICEServer,
  TransportState,
} from '$src/transport';
import { type Channel, type Inside, Session } from './session.svelte';

class FakeChannel implements Channel {
  state: TransportState = { phase: 'connecting', attempt: 0 };
  onmessage: ((message: HostMessage) => void) | null = null;
  onstate: ((state: TransportState) => void) | null = null;
  sent: GuestMessage[] = [];
  retries = 0;
  closed = false;
  constructor(public hasSeat = false) {}
  connect() {}
  send(message: GuestMessage) {
    if (this.state.phase !== 'open') return false;
    this.sent.push(message);
    return true;
  }
  retryNow() {
    this.retries++;
  }
  close() {
    this.closed = true;
  }
  forgetSeat() {
    this.hasSeat = false;
  }
  become(state: TransportState) {
    this.state = state;
    this.onstate?.(state);
  }
  say(message: HostMessage) {
    if (this.state.phase !== 'open') this.become({ phase: 'open' });
    this.onmessage?.(message);
  }
  welcome() {
    this.say({
      type: 'welcome',
      payload: { version: 1, linkName: 'Book club', hostName: 'Sam' },
    });
  }
  get types() {
    return this.sent.map(({ type }) => type);
  }
}

class FakeEngine {
  static made: FakeEngine[] = [];
  muted = false;
  cameraOff = false;
  alive = false;
  did: string[] = [];
  constructor(
    _capture: unknown,
    readonly send: (message: GuestMessage) => boolean,
  ) {
    FakeEngine.made.push(this);
  }
  answer() {
    this.send({ type: 'answer', payload: { negotiation: 1, sdp: 'v=0' } });
  }
  async prepare() {
    this.did.push('prepare');
  }
  enter() {
    this.alive = true;
    this.did.push('enter');
  }
  resume(iceServers?: ICEServer[]) {
    this.did.push(iceServers ? `resume by ${iceServers[0]?.username}` : 'resume');
  }
  leave() {
    this.alive = false;
    this.did.push('leave');
  }
  receive(message: HostMessage) {
    this.did.push(message.type);
  }
}

const inside = { WebviewEngine: FakeEngine, Call } as unknown as Inside;
let channels: FakeChannel[];
let capture: {
  silent: boolean;
  dark: boolean;
  video?: MediaStreamTrack;
  rest: Mock<(milliseconds: number) => void>;
  open(): Promise<void>;
  release(): Promise<void>;
};
let still: Mock<(track: MediaStreamTrack) => Promise<string | undefined>>;
let memory: { name: string; switches: { muted: boolean; cameraOff: boolean } };
let arrive: (inside: Inside) => void;
let fetched: number;
let seat: boolean;

const channel = () => channels.at(-1)!;
const engine = () => FakeEngine.made.at(-1)!;
const rung: HostMessage = { type: 'waiting', payload: { bell: 'rung', since: 0, ago: 0 } };
/** The bell has rung if somebody asked, and what is behind the door is there. */
const arrived = async () => {
  channel().say(rung);
  arrive(inside);
  await vi.waitFor(() => expect(FakeEngine.made).toHaveLength(1));
};
const admitted = (resumed = false): HostMessage => ({
  type: 'admitted',
  payload: { participant: 'me', seat: 's', resumed },
});
/** The host lets in, and its offer is answered. */
const letIn = async (session: Session) => {
  channel().say(admitted());
  engine().answer();
  await vi.waitFor(() => expect(session.place.at).toBe('call'));
};
/** Somebody who has just been let in, and has not answered the host's offer yet. Time stands still. */
const justAdmitted = async () => {
  const session = open();
  channel().welcome();
  session.join('Ada');
  await arrived();
  vi.useFakeTimers();
  channel().say(admitted());
  return session;
};
const end = (reason: EndReason): HostMessage => ({ type: 'ended', payload: { reason } });

const open = () =>
  new Session({
    capture: capture as unknown as Own,
    memory,
    channel: () => {
      channels.push(new FakeChannel(seat));
      return channel();
    },
    inside: () =>
      new Promise((done) => {
        fetched++;
        arrive = done;
      }),
    still,
  });

beforeEach(() => {
  channels = [];
  fetched = 0;
  FakeEngine.made = [];
  still = vi.fn(async () => '_9j_2Q');
  seat = false;
  memory = { name: '', switches: { muted: false, cameraOff: false } };
  capture = {
    silent: false,
    dark: true,
    rest: vi.fn(),
    open: vi.fn(async () => {}),
    release: vi.fn(async () => {}),
  };
});

/** A session in the call. */
async function inCall() {
  const session = open();
  channel().welcome();
  session.join('Ada');
  await arrived();
  await letIn(session);
  expect(session.place.at).toBe('call');
  return session;
}

describe('at the door', () => {
  it('opens the devices once there is a host, and says nothing but hello', () => {
    const session = open();
    session.join('Ada');
    session.leave();
    expect(capture.open).not.toHaveBeenCalled();
    channel().welcome();
    expect(capture.open).toHaveBeenCalledOnce();
    expect([session.linkName, session.hostName]).toEqual(['Book club', 'Sam']);
    expect(channel().sent).toEqual([]);
    expect(FakeEngine.made).toEqual([]);
  });

  it('wants a name', () => {
    const session = open();
    expect(session.join('   ')).toBe(false);
    expect(session.join('x'.repeat(65))).toBe(false);
    expect(session.place.at).toBe('door');
  });

  it('knocks with the name and how one would enter, and remembers the name', () => {
    const session = open();
    channel().welcome();
    expect(session.join('  Ada ')).toBe(true);
    expect(channel().sent).toEqual([
      { type: 'knock', payload: { name: 'Ada', muted: false, cameraOff: true } },
    ]);
    expect(memory.name).toBe('Ada');
  });

  it('knocks as soon as the host answers when Join was faster', () => {
    const session = open();
    session.join('Ada');
    expect(session.place.at).toBe('waiting');
    channel().welcome();
    expect(channel().types).toEqual(['knock']);
  });
});

describe('a picture with the request', () => {
  const camera = {} as MediaStreamTrack;
  const knocks = () =>
    channel().sent.flatMap((message) => (message.type === 'knock' ? [message.payload] : []));
  const ready = () => {
    const session = open();
    channel().welcome();
    capture.video = camera;
    session.picture = true;
    return session;
  };

  it('is sent by those only who want it, and have one', () => {
    const unasked = open();
    channel().welcome();
    capture.video = camera;
    unasked.join('Ada');
    capture.video = undefined;
    const dark = ready();
    capture.video = undefined;
    dark.join('Bea');
    expect(still).not.toHaveBeenCalled();
    expect(knocks()).toEqual([{ name: 'Bea', muted: false, cameraOff: true }]);
  });

  it('is taken on Join, and goes with the knock', async () => {
    const session = ready();
    session.join('Ada');
    expect(still).toHaveBeenCalledExactlyOnceWith(camera);
    expect([session.place.at, channel().types]).toEqual(['waiting', []]);
    await vi.waitFor(() => expect(channel().types).toEqual(['knock']));
    expect(knocks()[0]?.picture).toBe('_9j_2Q');
    channel().become({ phase: 'hostAway', since: 0, attempt: 1 });
    channel().welcome();
    expect(knocks()[1]?.picture).toBe('_9j_2Q');
    expect(still).toHaveBeenCalledOnce();
  });

  it('does not hold up a knock when it can’t be taken', async () => {
    still.mockRejectedValue(new Error('no canvas'));
    const session = ready();
    session.join('Ada');
    await vi.waitFor(() => expect(channel().types).toEqual(['knock']));
    expect(knocks()[0]).not.toHaveProperty('picture');
    vi.useFakeTimers();
    try {
      still.mockReturnValue(new Promise(() => {}));
      session.leave();
      session.join('Ada');
      await vi.advanceTimersByTimeAsync(5000);
      expect(knocks()).toHaveLength(2);
    } finally {
      vi.useRealTimers();
    }
  });

  it('is no reason to knock after Leave', async () => {
    const session = ready();
    session.join('Ada');
    session.leave();
    await new Promise((done) => setTimeout(done));
    expect(channel().types).toEqual(['leave']);
  });

  it('is forgotten once somebody has been let in', async () => {
    const session = ready();
    session.join('Ada');
    await arrived();
    await letIn(session);
    channel().say(end('seat-gone'));
    await vi.waitFor(() => expect(knocks()).toHaveLength(2));
    expect(knocks()[1]).not.toHaveProperty('picture');
  });
});

describe('waiting', () => {
  it('tells how the bell stands, and by its own clock since when', () => {
    const session = open();
    channel().welcome();
    session.join('Ada');
    channel().say({ type: 'waiting', payload: { bell: 'rung', since: 5, ago: 12_000 } });
    const place = session.place as Extract<Session['place'], { at: 'waiting' }>;
    expect(place.bell).toBe('rung');
    expect(Date.now() - place.since).toBeGreaterThanOrEqual(12_000);
    expect(Date.now() - place.since).toBeLessThan(13_000);
  });

  it('knocks again when the channel comes back', () => {
    const session = open();
    channel().welcome();
    session.join('Ada');
    channel().become({ phase: 'hostAway', since: 0, attempt: 1 });
    expect(session.unreachable).toBe(true);
    channel().welcome();
    expect(session.unreachable).toBe(false);
    expect(channel().types).toEqual(['knock', 'knock']);
  });

  it('can be left, and the door is still there', () => {
    const session = open();
    channel().welcome();
    session.join('Ada');
    session.leave();
    expect(channel().types).toEqual(['knock', 'leave']);
    expect(session.place.at).toBe('door');
    expect(channel().closed).toBe(false);
  });

  it('draws no level of the microphone while the connection is made', async () => {
    const session = open();
    channel().welcome();
    session.join('Ada');
    await arrived();
    expect(capture.rest).not.toHaveBeenCalled();
    channel().say(admitted());
    expect(capture.rest).toHaveBeenCalledExactlyOnceWith(1000);
  });

  it('can be left in the very moment of being let in', async () => {
    const early = open(); // before the call’s code has come
    channel().welcome();
    early.join('Ada');
    channel().say(admitted());
    early.leave();
    expect(early.place).toMatchObject({ at: 'out', why: 'left' });
    expect(channel().closed).toBe(true);

    const late = await justAdmitted(); // before the call is drawn
    late.leave();
    vi.advanceTimersByTime(1000);
    expect(late.place).toMatchObject({ at: 'out', why: 'left' });
    expect(engine().alive).toBe(false);
    vi.useRealTimers();
  });

  it('is over for those who leave while the host lets them in', async () => {
    const session = open();
    channel().welcome();
    session.join('Ada');
    await arrived();
    session.leave();
    channel().hasSeat = true; // by what the host says now
    channel().say(admitted());
    channel().say({ type: 'offer', payload: { negotiation: 1, sdp: '' } });
    expect(session.place.at).toBe('door');
    expect(session.call).toBeUndefined();
    expect(engine().alive).toBe(false);
    expect(channel().hasSeat).toBe(false);
  });

  it('fetches the rest once the bell has rung, which need not wait for it', () => {
    const session = open();
    channel().welcome();
    session.join('Ada');
    expect(fetched).toBe(0);
    channel().say(rung);
    channel().say(rung);
    expect(fetched).toBe(1);
  });

  it('fetches the rest at once while the host is away, or if they let in without a bell', () => {
    const away = open();
    away.join('Ada');
    expect(fetched).toBe(1);
    const session = open();
    channel().welcome();
    session.join('Ada');
    channel().say(admitted());
    expect(fetched).toBe(2);
  });

  it('makes no connection before the host lets in', async () => {
    const session = open();
    channel().welcome();
    session.join('Ada');
    await arrived();
    channel().say(rung);
    expect(engine().did).toEqual(['prepare']);
  });

  it('has the call drawn beforehand, with nothing in it and nothing said', async () => {
    const session = open();
    channel().welcome();
    session.join('Ada');
    await arrived();
    await vi.waitFor(() => expect(session.stage).toBeDefined());
    expect(session.place.at).toBe('waiting');
    expect(session.call).toBeUndefined();
    expect(session.stage?.people).toEqual([]);
    expect(engine().did).toEqual(['prepare']);
    expect(channel().types).toEqual(['knock']);
    const { stage } = session;
    await letIn(session);
    expect(session.call).toBe(stage);
  });

  it('may ask once more after being declined', () => {
    const session = open();
    channel().welcome();
    session.join('Ada');
    channel().say({ type: 'declined', payload: { mayRetry: true } });
    expect(session.place).toEqual({ at: 'declined', mayRetry: true });
    session.askAgain();
    expect(channel().types).toEqual(['knock', 'knock']);
    channel().say({ type: 'declined', payload: { mayRetry: false } });
    expect(session.place).toEqual({ at: 'declined', mayRetry: false });
  });
});

describe('let in', () => {
  it('keeps what comes before the call’s code has come, in order', async () => {
    const session = open();
    channel().welcome();
    session.join('Ada');
    channel().say(admitted());
    channel().say({ type: 'offer', payload: { negotiation: 1, sdp: '' } });
    channel().say({ type: 'tracks', payload: { slots: [] } });
    await arrived();
    engine().answer();
    await vi.waitFor(() => expect(session.place.at).toBe('call'));
    expect(engine().did).toEqual(['prepare', 'enter', 'offer', 'tracks']);
  });

  it('answers the offer before the call is drawn, but does not wait for ever', async () => {
    const session = await justAdmitted();
    expect(session.place.at).toBe('waiting');
    vi.advanceTimersByTime(250);
    expect(session.place.at).toBe('call');
    vi.useRealTimers();
  });

  it('draws who is there when the answer and the first candidates have gone', async () => {
    const session = await justAdmitted();
    channel().say({ type: 'roster', payload: { you: 'me', participants: [], chat: [] } });
    channel().say({ type: 'offer', payload: { negotiation: 1, sdp: '' } });
    engine().answer();
    expect(engine().did).toEqual(['prepare', 'enter', 'offer']);
    vi.advanceTimersByTime(100);
    expect(session.call?.you).toBe('');
    session.send({ type: 'candidate', payload: { candidate: '' } });
    vi.advanceTimersByTime(20);
    expect(session.place.at).toBe('call');
    expect(session.call?.you).toBe('me');
    vi.useRealTimers();
  });

  it('goes on with the same connection when the host kept it', async () => {
    const session = await inCall();
    const { call } = session;
    channel().become({ phase: 'connecting', attempt: 1 });
    expect(call?.connected).toBe(false);
    channel().welcome();
    channel().say(admitted(true));
    expect(session.call).toBe(call);
    expect(call?.connected).toBe(true);
    expect(engine().did).toEqual(['prepare', 'enter', 'resume']);
    expect(channel().types).toEqual(['knock', 'answer']);
  });

  it('takes new credentials for the connection that goes on', async () => {
    await inCall();
    channel().become({ phase: 'connecting', attempt: 1 });
    channel().welcome();
    const iceServers = [{ urls: ['turn:example.org'], username: 'new', credential: 'c' }];
    channel().say({
      type: 'admitted',
      payload: { participant: 'me', seat: 's', resumed: true, iceServers },
    });
    expect(engine().did.at(-1)).toBe('resume by new');
  });

  it('makes a new connection when the host did not', async () => {
    const session = await inCall();
    channel().become({ phase: 'connecting', attempt: 1 });
    channel().welcome();
    await letIn(session);
    expect(engine().did).toEqual(['prepare', 'enter', 'enter']);
  });

  it('comes back to a seat without knocking', async () => {
    seat = true;
    memory.name = 'Ada';
    const session = open();
    expect(session.place.at).toBe('returning');
    channel().welcome();
    await arrived();
    await letIn(session);
    expect(session.place.at).toBe('call');
    expect(channel().types).toEqual(['answer']);
  });

  it('knocks by itself under the same name when the seat is gone', async () => {
    const session = await inCall();
    channel().become({ phase: 'hostAway', since: 0, attempt: 1 });
    channel().welcome();
    channel().say(end('seat-gone'));
    expect(session.place.at).toBe('waiting');
    expect(session.call).toBeUndefined();
    expect(engine().alive).toBe(false);
    expect(channel().sent.at(-1)).toMatchObject({ type: 'knock', payload: { name: 'Ada' } });
  });

  it('says what was typed meanwhile once it is let in again', async () => {
    const session = await inCall();
    channel().become({ phase: 'hostAway', since: 0, attempt: 1 });
    session.call!.say('Are you there?');
    channel().welcome();
    channel().say(end('seat-gone'));
    await letIn(session);
    await vi.waitFor(() =>
      expect(channel().sent).toContainEqual({
        type: 'say',
        payload: { text: 'Are you there?', token: expect.any(String) },
      }),
    );
    expect(session.call!.unsent).toEqual(['Are you there?']);
  });

  it('stays through the host’s app closing: it may come back', async () => {
    const session = await inCall();
    channel().say(end('shutdown'));
    channel().become({ phase: 'hostAway', since: 0, attempt: 0 });
    expect(session.place.at).toBe('call');
    expect(session.call?.connected).toBe(false);
  });
});

describe('the ways out', () => {
  it('leaving says so, gives up the seat, lets go of the devices', async () => {
    const session = await inCall();
    channel().hasSeat = true;
    session.leave();
    expect(channel().types).toEqual(['knock', 'answer', 'leave']);
    expect(channel().hasSeat).toBe(false);
    expect(channel().closed).toBe(true);
    expect(session.place).toMatchObject({ at: 'out', why: 'left' });
    expect(capture.release).toHaveBeenCalled();
    expect(engine().alive).toBe(false);
  });

  it('asks to join again through a new channel after leaving', async () => {
    const session = await inCall();
    session.leave();
    session.askAgain();
    expect(channels).toHaveLength(2);
    channel().welcome();
    expect(channel().types).toEqual(['knock']);
    await letIn(session);
    expect(session.place.at).toBe('call');
  });

  it.each([
    'ended',
    'spent',
    'removed',
    'kicked',
    'blocked',
    'timed-out',
    'replaced',
    'full',
    'locked',
    'fault',
  ] as const)('ends with %s', async (reason) => {
    const session = await inCall();
    channel().say(end(reason));
    expect(session.place).toMatchObject({ at: 'out', why: reason });
    expect(engine().alive).toBe(false);
    channel().become({ phase: 'closed' });
    expect(session.place).toMatchObject({ at: 'out', why: reason });
  });

  it('says at once that a link is spent or removed', () => {
    for (const reason of ['spent', 'removed'] as const) {
      const session = open();
      channel().become({ phase: 'unavailable', reason });
      expect(session.place).toMatchObject({ at: 'out', why: reason });
    }
  });

  it('keeps trying while nobody knows why a link does not answer', () => {
    const session = open();
    channel().become({ phase: 'unavailable', reason: 'unknown' });
    expect(session.place.at).toBe('door');
    expect(session.unreachable).toBe(true);
    session.wake();
    expect(channel().retries).toBe(1);
  });

  it('trusts nobody without the link’s keys', () => {
    const session = open();
    channel().become({ phase: 'refused', code: 'key-mismatch' });
    expect(session.place).toEqual({ at: 'out', why: 'refused', code: 'key-mismatch' });
    session.wake();
    expect(channel().retries).toBe(0);
  });
});

describe('a browser that forbids connections', () => {
  it('says so when somebody is let in, and leaves', async () => {
    const session = open();
    channel().welcome();
    session.join('Ada');
    await arrived();
    vi.spyOn(engine(), 'enter').mockImplementation(() => {
      throw new DOMException('no', 'NotAllowedError');
    });
    channel().say(admitted());
    expect(session.place).toEqual({ at: 'out', why: 'refused', code: 'media-blocked' });
    expect(channel().types.at(-1)).toBe('leave');
    expect(channel().closed).toBe(true);
  });
});

/** Every code that a host or a relay may name. */
const codes = [
  ...readFileSync(new URL('../../backend/fault/fault.go', import.meta.url), 'utf8').matchAll(
    /^\t\w+ +(?:Code = )?"([a-z-]+)"/gm,
  ),
].map(([, code]) => code!);
const fault = (code: string, retryAfter?: number): HostMessage => ({
  type: 'fault',
  payload: { code, message: 'In English.', ...(retryAfter && { retryAfter }) },
});

describe('a fault before admission', () => {
  const asks = async () => {
    const session = open();
    channel().welcome();
    session.join('Ada');
    channel().say(rung);
    arrive(inside);
    await vi.waitFor(() => expect(session.inside).toBeDefined(), { interval: 1 });
    return session;
  };

  it('is known in all its kinds', () => {
    expect(codes.length).toBeGreaterThan(80);
    expect(codes).toContain('name-invalid');
  });

  it.each(codes)('%s has a place on the page', async (code) => {
    const session = await asks();
    channel().say(fault(code, 1000));
    if (code === 'too-fast') expect(session.place).toMatchObject({ at: 'waiting', again: true });
    else if (code === 'name-invalid') expect(session.place).toEqual({ at: 'door', refused: true });
    else expect(session.place).toEqual({ at: 'out', why: 'refused', code });
    expect(session.place).not.toHaveProperty('bell');
    session.leave();
  });

  it('asks again by itself when it was too fast, also on another connection', async () => {
    const session = await asks();
    vi.useFakeTimers();
    try {
      channel().say(fault('too-fast', 3000));
      channel().become({ phase: 'connecting', attempt: 1 });
      channel().welcome();
      expect(channel().types).toEqual(['knock']);
      vi.advanceTimersByTime(2999);
      expect(channel().types).toEqual(['knock']);
      vi.advanceTimersByTime(1);
      expect(channel().types).toEqual(['knock', 'knock']);
      expect(session.place).not.toHaveProperty('again');
      channel().say(rung);
      expect(session.place).toMatchObject({ at: 'waiting', bell: 'rung' });
    } finally {
      vi.useRealTimers();
    }
  });

  it('asks again also when the host has closed the channel', async () => {
    const session = await asks();
    vi.useFakeTimers();
    try {
      channel().say(fault('too-fast'));
      channel().say(end('fault'));
      channel().become({ phase: 'closed' });
      expect(session.place).toMatchObject({ at: 'waiting', again: true });
      vi.advanceTimersByTime(10_000);
      expect(channels).toHaveLength(2);
      channel().welcome();
      expect(channel().types).toEqual(['knock']);
    } finally {
      vi.useRealTimers();
    }
  });

  it('forgets to ask again when the guest leaves', async () => {
    const session = await asks();
    vi.useFakeTimers();
    try {
      channel().say(fault('too-fast', 100));
      session.leave();
      vi.advanceTimersByTime(1000);
      expect([session.place.at, channel().types]).toEqual(['door', ['knock', 'leave']]);
    } finally {
      vi.useRealTimers();
    }
  });
});

it('says that the bell was rung only while the host says so', async () => {
  const session = open();
  channel().welcome();
  session.join('Ada');
  channel().say(rung);
  for (let i = 1; i <= 6; i++) {
    channel().become({ phase: 'connecting', attempt: i });
    expect(session.place).toMatchObject({ at: 'waiting', bell: undefined });
    channel().welcome();
    expect(session.place).toMatchObject({ at: 'waiting', bell: undefined });
  }
  channel().say(rung);
  expect(session.place).toMatchObject({ at: 'waiting', bell: 'rung' });
});

describe('camera and microphone', () => {
  const outs: Record<string, () => void> = {
    declined: () => channel().say({ type: 'declined', payload: { mayRetry: true } }),
    spent: () => channel().become({ phase: 'unavailable', reason: 'spent' }),
    removed: () => channel().become({ phase: 'unavailable', reason: 'removed' }),
    'not the host': () => channel().become({ phase: 'refused', code: 'key-mismatch' }),
    'a fault': () => channel().say(fault('message-invalid')),
    ...Object.fromEntries(
      (['spent', 'removed', 'ended', 'kicked', 'blocked', 'timed-out', 'replaced'] as const).map(
        (reason) => [`told ${reason}`, () => channel().say(end(reason))],
      ),
    ),
  };
  it.each(Object.keys(outs))('are let go: %s', async (way) => {
    const session = open();
    channel().welcome();
    session.join('Ada');
    expect(capture.open).toHaveBeenCalled();
    outs[way]!();
    expect(capture.release).toHaveBeenCalled();
    expect(session.place.at).toMatch(/out|declined/);
  });

  it('are let go when the guest leaves the call, or the page goes away', async () => {
    const session = await inCall();
    const opened = vi.mocked(capture.open).mock.calls.length;
    session.hide();
    expect(capture.release).toHaveBeenCalledOnce();
    // Kept by the browser and shown again.
    channel().become({ phase: 'connecting', attempt: 1 });
    channel().welcome();
    expect(capture.open).toHaveBeenCalledTimes(opened + 1);
    session.leave();
    expect(capture.release).toHaveBeenCalledTimes(2);
  });

  it('are not opened for a link that nobody answers', () => {
    open();
    channel().become({ phase: 'unavailable', reason: 'unknown' });
    channel().become({ phase: 'refused', code: 'key-mismatch' });
    expect(capture.open).not.toHaveBeenCalled();
  });
});

describe('a seat that another tab has taken', () => {
  const replaced = async () => {
    const session = await inCall();
    channel().hasSeat = true;
    channel().say({ type: 'ended', payload: { reason: 'replaced', seat: 'back' } });
    channel().become({ phase: 'closed' });
    expect([session.place, channel().hasSeat]).toEqual([{ at: 'out', why: 'replaced' }, true]);
    seat = true;
    return session;
  };

  it('comes back when that tab is gone', async () => {
    const session = await replaced();
    session.comeBack();
    expect(channels).toHaveLength(2);
    channel().welcome();
    expect(channel().types).toEqual([]);
    expect(session.place.at).toBe('out');
    await letIn(session);
  });

  it('stays where it is while that tab is there', async () => {
    const session = await replaced();
    const opened = vi.mocked(capture.open).mock.calls.length;
    session.comeBack();
    session.comeBack();
    channel().welcome();
    channel().say(end('replaced'));
    channel().become({ phase: 'closed' });
    expect([session.place.at, channels.length]).toEqual(['out', 2]);
    session.comeBack();
    channel().welcome();
    channel().say(end('seat-gone'));
    expect([session.place.at, channel().closed, channel().types]).toEqual(['out', true, []]);
    expect(capture.open).toHaveBeenCalledTimes(opened);
  });

  it('is given up by whoever asks anew from this tab', async () => {
    const session = await replaced();
    session.askAgain();
    expect(channels[0]!.hasSeat).toBe(false);
    expect(session.place.at).toBe('waiting');
  });
});
