import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { HostMessage } from '$src/transport';
import type { Session } from './session.svelte';
import {
  admitted,
  arrived,
  channel,
  ended,
  engine,
  inCall,
  justAdmitted,
  letIn,
  ObservedEngine,
  open,
  reset,
  rung,
  stage,
} from './test/stage';

beforeEach(reset);

describe('at the door', () => {
  it('opens the devices once there is a host, and says nothing but hello', () => {
    const session = open();
    session.join('Ada');
    session.leave();
    expect(stage.capture.open).not.toHaveBeenCalled();
    channel().welcome();
    expect(stage.capture.open).toHaveBeenCalledOnce();
    expect([session.linkName, session.hostName]).toEqual(['Book club', 'Sam']);
    expect(channel().sent).toEqual([]);
    expect(ObservedEngine.made).toEqual([]);
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
    expect(stage.memory.name).toBe('Ada');
  });

  it('knocks as soon as the host answers when Join was faster', () => {
    const session = open();
    session.join('Ada');
    expect(session.place.at).toBe('waiting');
    channel().welcome();
    expect(channel().types).toEqual(['knock']);
  });
});

describe('a host that is not as it should be', () => {
  it('hears no name before Join', () => {
    stage.memory.name = 'Ada';
    const session = open();
    channel().welcome();
    channel().say({ type: 'outside', payload: {} });
    expect([session.place.at, channel().types]).toEqual(['door', []]);
  });

  it('opens at a time that a calendar has', () => {
    const session = open();
    channel().welcome();
    session.join('Ada');
    channel().say({
      type: 'fault',
      payload: { code: 'link-not-open', message: '', retryAfter: Number.MAX_SAFE_INTEGER },
    });
    expect(session.place.at).toBe('door');
    expect(() => new Intl.DateTimeFormat('en').format(session.opens)).not.toThrow();
  });
});

describe('which browser this is', () => {
  it('is proved once the host has answered, and the knock waits for that', async () => {
    const proof = { key: 'K', proof: 'P' };
    stage.parts = { prove: vi.fn(async () => proof) };
    stage.capture.faults = ['camera-missing', 'microphone-missing'];
    const session = open();
    channel().welcome('H');
    session.join('Ada');
    expect(channel().sent).toEqual([]);
    await vi.waitFor(() => expect(channel().types).toEqual(['knock']));
    expect(channel().sent[0]!.payload).toMatchObject({ ...proof, bare: true });
  });

  it('holds nobody up who can’t prove it', async () => {
    stage.parts = { prove: vi.fn(async () => undefined) };
    const session = open();
    channel().welcome('H');
    session.join('Ada');
    await vi.waitFor(() => expect(channel().types).toEqual(['knock']));
    expect(channel().sent[0]!.payload).not.toHaveProperty('key');
  });

  it('works when many knock, and knocks again', async () => {
    stage.parts = { prove: vi.fn(async (_channel, _host, work) => (work ? { work: 'W' } : {})) };
    const session = open();
    channel().welcome();
    session.join('Ada');
    await vi.waitFor(() => expect(channel().types).toEqual(['knock']));
    channel().say({ type: 'work', payload: { challenge: 'C', bits: 3 } });
    await vi.waitFor(() => expect(channel().types).toEqual(['knock', 'knock']));
    expect(channel().sent[1]!.payload).toMatchObject({ work: 'W' });
  });

  it('works only while waiting, and for the latest knock alone', async () => {
    const wanted: (() => boolean)[] = [];
    stage.parts = {
      prove: vi.fn((_channel, _host, work, still) => {
        if (!work) return Promise.resolve(undefined);
        wanted.push(still!);
        return new Promise<undefined>(() => {});
      }),
    };
    const ask = () => channel().say({ type: 'work', payload: { challenge: 'C', bits: 3 } });
    const now = () => wanted.map((still) => still());
    const session = open();
    channel().welcome();
    ask();
    expect(now()).toEqual([]);
    session.join('Ada');
    await vi.waitFor(() => expect(channel().types).toEqual(['knock']));
    ask();
    expect(now()).toEqual([true]);
    ask();
    expect(now()).toEqual([false, true]);
    session.leave();
    expect(now()).toEqual([false, false]);
  });

  it('hears the host through the door', () => {
    const session = open();
    channel().welcome();
    session.join('Ada');
    channel().say({ type: 'said', payload: { lines: [{ text: 'Who is it?', ago: 0 }] } });
    expect(session.said).toHaveLength(1);
  });

  it('forgets what was said with the request it belongs to', async () => {
    const said: HostMessage = { type: 'said', payload: { lines: [{ text: 'Hm?', ago: 0 }] } };
    const waits = () => {
      const session = open();
      channel().welcome();
      session.join('Ada');
      channel().say(said);
      expect(session.said).toHaveLength(1);
      return session;
    };
    const restarted = waits();
    channel().become({ phase: 'hostAway', since: 0, attempt: 1 });
    channel().welcome();
    const declined = waits();
    channel().say({ type: 'declined', payload: { mayRetry: true } });
    const gone = waits();
    channel().say(ended('seat-gone'));
    const left = waits();
    left.leave();
    for (const session of [restarted, declined, gone, left]) expect(session.said).toEqual([]);
  });
});

describe('a picture with the request', () => {
  const camera = {} as MediaStreamTrack;
  const knocks = () =>
    channel().sent.flatMap((message) => (message.type === 'knock' ? [message.payload] : []));
  const ready = () => {
    const session = open();
    channel().welcome();
    stage.capture.video = camera;
    session.picture = true;
    return session;
  };

  it('is sent by those only who want it, and have one', () => {
    const unasked = open();
    channel().welcome();
    stage.capture.video = camera;
    unasked.join('Ada');
    stage.capture.video = undefined;
    const dark = ready();
    stage.capture.video = undefined;
    dark.join('Bea');
    expect(stage.still).not.toHaveBeenCalled();
    expect(knocks()).toEqual([{ name: 'Bea', muted: false, cameraOff: true }]);
  });

  it('is taken on Join, and goes with the knock', async () => {
    const session = ready();
    session.join('Ada');
    expect(stage.still).toHaveBeenCalledExactlyOnceWith(camera);
    expect([session.place.at, channel().types]).toEqual(['waiting', []]);
    await vi.waitFor(() => expect(channel().types).toEqual(['knock']));
    expect(knocks()[0]?.picture).toBe('_9j_2Q');
    channel().become({ phase: 'hostAway', since: 0, attempt: 1 });
    channel().welcome();
    expect(knocks()[1]?.picture).toBe('_9j_2Q');
    expect(stage.still).toHaveBeenCalledOnce();
  });

  it('does not hold up a knock when it can’t be taken', async () => {
    stage.still.mockRejectedValue(new Error('no canvas'));
    const session = ready();
    session.join('Ada');
    await vi.waitFor(() => expect(channel().types).toEqual(['knock']));
    expect(knocks()[0]).not.toHaveProperty('picture');
    vi.useFakeTimers();
    try {
      stage.still.mockReturnValue(new Promise(() => {}));
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
    channel().say(ended('seat-gone'));
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
    expect(stage.capture.rest).not.toHaveBeenCalled();
    channel().say(admitted());
    expect(stage.capture.rest).toHaveBeenCalledExactlyOnceWith(1000);
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
    expect(stage.fetched).toBe(0);
    channel().say(rung);
    channel().say(rung);
    expect(stage.fetched).toBe(1);
  });

  it('fetches the rest at once while the host is away, or if they let in without a bell', () => {
    const away = open();
    away.join('Ada');
    expect(stage.fetched).toBe(1);
    const session = open();
    channel().welcome();
    session.join('Ada');
    channel().say(admitted());
    expect(stage.fetched).toBe(2);
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
    stage.seat = true;
    stage.memory.name = 'Ada';
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
    channel().say(ended('seat-gone'));
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
    channel().say(ended('seat-gone'));
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
    channel().say(ended('shutdown'));
    channel().become({ phase: 'hostAway', since: 0, attempt: 0 });
    expect(session.place.at).toBe('call');
    expect(session.call?.connected).toBe(false);
  });
});
