import { beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeEngine } from '$src/test/fakeEngine';
import type { GuestMessage, Participant } from '$src/transport';
import { Call } from './call.svelte';
import { ownNoMedia, theirNoMedia } from './noMedia';

const person = (id: string, joinedAt: number, more: Partial<Participant> = {}): Participant => ({
  id,
  name: id.toUpperCase(),
  joinedAt,
  ...more,
});
const line = (id: number, participant: string) => ({
  id,
  participant,
  name: participant,
  text: `line ${id}`,
  at: 0,
});

let engine: FakeEngine;
let sent: GuestMessage[];
let online: boolean;
let call: Call;

beforeEach(() => {
  engine = new FakeEngine();
  sent = [];
  online = true;
  call = new Call(engine, (message) => {
    if (online) sent.push(message);
    return online;
  });
  call.receive({
    type: 'roster',
    payload: {
      you: 'me',
      participants: [person('host', 1, { host: true }), person('me', 3), person('ada', 2)],
      chat: [line(1, 'ada')],
    },
  });
  sent.length = 0;
});

const names = () => call.people.map(({ id }) => id);
const settled = () => new Promise((done) => setTimeout(done, 0));

describe('the people', () => {
  it('are the own participant first, then as they came', () => {
    expect(names()).toEqual(['me', 'host', 'ada']);
    expect(call.me?.picture).toBe('own');
  });

  it('come, change and go', () => {
    call.receive({ type: 'joined', payload: { participant: person('boris', 4) } });
    expect(names()).toEqual(['me', 'host', 'ada', 'boris']);
    expect(call.notice).toEqual({ kind: 'joined', name: 'BORIS' });
    call.receive({ type: 'joined', payload: { participant: person('boris', 4, { away: true }) } });
    expect(call.notice).toEqual({ kind: 'away', name: 'BORIS' });
    call.receive({ type: 'left', payload: { id: 'boris' } });
    expect(names()).toEqual(['me', 'host', 'ada']);
    expect(call.notice).toEqual({ kind: 'left', name: 'BORIS' });
  });

  it('are replaced by the roster of a reconnection', () => {
    call.pin('ada');
    call.receive({
      type: 'roster',
      payload: { you: 'me', participants: [person('me', 3), person('cleo', 5)], chat: [] },
    });
    expect(names()).toEqual(['me', 'cleo']);
    expect(call.pinned).toBeUndefined();
    expect(call.chat).toHaveLength(1);
  });
});

describe('media that finds no way', () => {
  const told = (id: string, noMedia?: string) =>
    call.receive({ type: 'joined', payload: { participant: person(id, 3, { noMedia }) } });

  it.each([
    ['media-blocked', /WebRTC leaks/],
    ['udp-unavailable', /host’s computer/],
    ['turn-unavailable', /relay/],
    ['some-later-code', /WebRTC leaks/],
  ])('is said to whom it is (%s) until it flows', (code, words) => {
    told('me', code);
    expect(ownNoMedia(call.me)).toMatch(words);
    expect(call.others.map(theirNoMedia)).toEqual([undefined, undefined]);
    told('me');
    expect(ownNoMedia(call.me)).toBeUndefined();
  });

  it('is said of others, and to the host in the host’s words', () => {
    told('ada', 'media-blocked');
    expect(theirNoMedia(call.others[1]!)).toBe('ADA’s browser lets no sound or picture through');
    told('ada', 'udp-unavailable');
    expect(theirNoMedia(call.others[1]!)).toBe('No sound or picture gets through');
    expect(ownNoMedia(call.me)).toBeUndefined();
    const host = { ...call.me!, host: true };
    expect(ownNoMedia({ ...host, noMedia: 'udp-unavailable' })).toMatch(/this computer/);
    expect(ownNoMedia({ ...host, noMedia: 'media-blocked' })).toMatch(/Settings/);
  });
});

describe('the stage', () => {
  it('belongs to who spoke last, whatever the own microphone hears', () => {
    expect(call.front?.id).toBe('host');
    call.receive({ type: 'speaking', payload: { ids: ['me', 'ada'] } });
    expect(call.front?.id).toBe('ada');
    call.receive({ type: 'speaking', payload: { ids: [] } });
    expect(call.front?.id).toBe('ada');
    call.receive({ type: 'left', payload: { id: 'ada' } });
    expect(call.front?.id).toBe('host');
  });

  it('belongs to the pinned one until they leave', () => {
    call.pin('ada');
    expect(call.view).toBe('speaker');
    call.receive({ type: 'speaking', payload: { ids: ['host'] } });
    expect(call.front?.id).toBe('ada');
    call.pin('ada');
    expect(call.front?.id).toBe('host');
  });
});

describe('the switches', () => {
  it('are told to the host when they have turned', async () => {
    await call.microphone.set(false);
    await call.camera.set(false);
    expect(sent).toEqual([
      { type: 'mediaState', payload: { muted: true, cameraOff: false } },
      { type: 'mediaState', payload: { muted: true, cameraOff: true } },
    ]);
    expect(call.me).toMatchObject({ muted: true, cameraOff: true });
  });

  it('are told again after a reconnection', async () => {
    online = false;
    await call.microphone.set(false);
    online = true;
    call.receive({
      type: 'roster',
      payload: { you: 'me', participants: [person('me', 3)], chat: [] },
    });
    expect(sent).toEqual([{ type: 'mediaState', payload: { muted: true, cameraOff: false } }]);
  });

  it('follow the host’s wish to mute', async () => {
    call.receive({ type: 'mute', payload: {} });
    await settled();
    expect(engine.muted).toBe(true);
    expect(call.notice).toEqual({ kind: 'muted-by-host' });
  });

  it('let talk while a key is held, and only then', async () => {
    call.talk(true);
    await settled();
    expect(engine.muted).toBe(false); // unmuted anyway: holding changes nothing
    call.talk(false);
    await settled();
    expect(engine.muted).toBe(false);
    await call.microphone.set(false);
    call.talk(true);
    await settled();
    expect(engine.muted).toBe(false);
    call.talk(false);
    await settled();
    expect(engine.muted).toBe(true);
  });

  it('tell when a device went by itself', () => {
    engine.cameraOff = true;
    call.settle();
    expect(sent).toEqual([{ type: 'mediaState', payload: { muted: false, cameraOff: true } }]);
  });
});

describe('the chat', () => {
  it('counts what was not seen, without one’s own lines or doubles', () => {
    expect(call.unread).toBe(0); // of the first roster: read before a reload
    call.receive({ type: 'chat', payload: { line: line(2, 'ada') } });
    expect(call.unread).toBe(1);
    expect(call.notice).toEqual({ kind: 'chat', name: 'ada', text: 'line 2' });
    call.show('chat');
    expect(call.unread).toBe(0);
    expect(call.notice).toBeUndefined();
    call.show('chat');
    for (const next of [line(3, 'ada'), line(3, 'ada'), line(4, 'me')]) {
      call.receive({ type: 'chat', payload: { line: next } });
    }
    expect(call.chat.map(({ id }) => id)).toEqual([1, 2, 3, 4]);
    expect(call.unread).toBe(1);
  });

  it('keeps what is said while the channel is away', () => {
    online = false;
    expect(call.say('  hello ')).toBe(true);
    expect(call.unsent).toEqual(['hello']);
    online = true;
    call.receive({
      type: 'roster',
      payload: { you: 'me', participants: [person('me', 3)], chat: [] },
    });
    const said = sent.find(({ type }) => type === 'say') as { payload: { token: string } };
    expect(said.payload).toEqual({ text: 'hello', token: expect.stringMatching(/^[\w-]{22}$/) });
    expect(call.unsent).toEqual(['hello']);
    const echo = { ...line(1, 'me'), text: 'hello', token: said.payload.token };
    call.receive({ type: 'chat', payload: { line: echo } });
    expect(call.unsent).toEqual([]);
  });

  it('says again, as the same line, what a deaf network has swallowed', () => {
    const says = () => sent.filter(({ type }) => type === 'say');
    call.say('one');
    call.say('two');
    const [one, two] = says();
    expect(call.unsent).toEqual(['one', 'two']);
    const { token } = (one as { payload: { token: string } }).payload;
    call.receive({
      type: 'roster',
      payload: {
        you: 'me',
        participants: [person('me', 3)],
        chat: [{ ...line(1, 'me'), text: 'one', token }],
      },
    });
    expect(call.unsent).toEqual(['two']);
    expect(says()).toEqual([one, two, two]);
  });

  it('says again by itself what was too fast, and drops what is no line', () => {
    vi.useFakeTimers();
    try {
      const fault = (code: string, retryAfter?: number) =>
        call.receive({ type: 'fault', payload: { code, message: '', retryAfter } });
      call.say('one');
      fault('too-fast', 500);
      expect(call.notice).toBeUndefined();
      expect(call.unsent).toEqual(['one']);
      const before = sent.length;
      vi.advanceTimersByTime(500);
      expect(sent.slice(before)).toEqual([sent[before - 1]]);
      fault('chat-invalid');
      expect([call.unsent, call.notice?.kind]).toEqual([[], 'fault']);
    } finally {
      vi.useRealTimers();
    }
  });

  it('takes no empty and no endless lines', () => {
    expect(call.say('  ')).toBe(false);
    expect(call.say('x'.repeat(2001))).toBe(false);
    expect(sent).toEqual([]);
  });
});

it('hands every message to the engine', () => {
  expect(engine.received).toEqual(['roster']);
});

describe('the own line', () => {
  const line = (payload: object) => call.receive({ type: 'line', payload } as never);

  it('pauses pictures for a reason, until it does not', () => {
    line({
      paused: [
        { participant: 'ada', reason: 'line' },
        { participant: 'host', reason: 'of-tomorrow' },
        { participant: 'nobody', reason: 'host' },
        { participant: 'me', screen: true, reason: 'host' },
      ],
    });
    expect(call.screenPaused).toBe('host');
    const paused = () => Object.fromEntries(call.people.map(({ id, paused }) => [id, paused]));
    expect(paused()).toEqual({ me: undefined, ada: 'line', host: 'host' });
    line({ paused: [] });
    expect(call.screenPaused).toBeUndefined();
    expect(paused()).toEqual({ me: undefined, ada: undefined, host: undefined });
  });

  it('is said once to be poor, in both directions', () => {
    line({ paused: [], slowDown: true });
    expect(call.notice).toEqual({ kind: 'slow', way: 'down' });
    call.notice = undefined;
    line({ paused: [{ participant: 'ada', reason: 'line' }], slowDown: true });
    expect(call.notice).toBeUndefined();
    line({ paused: [], slowDown: true, slowUp: true });
    expect(call.notice).toEqual({ kind: 'slow', way: 'both' });
    line({ paused: [], slowUp: true });
    expect(call.slow).toBe('up');
    line({ paused: [] });
    expect(call.slow).toBeUndefined();
  });

  it('is forgotten with the connection to a host: the next roster begins anew', () => {
    line({ paused: [{ participant: 'ada', reason: 'line' }], slowDown: true });
    call.receive({
      type: 'roster',
      payload: { you: 'me', participants: [person('me', 3), person('ada', 2)], chat: [] },
    });
    expect(call.slow).toBeUndefined();
    expect(call.people.some(({ paused }) => paused)).toBe(false);
  });
});

describe('a co-host', () => {
  const door = (...names: string[]) =>
    call.receive({
      type: 'door',
      payload: { requests: names.map((name) => ({ id: name, name, since: 0 })) },
    });

  it('sees who waits, and is told once of each', () => {
    expect(call.door).toBeUndefined();
    door('Cleo');
    expect([call.door?.requests.length, call.notice]).toEqual([
      1,
      { kind: 'co-host', over: false },
    ]);
    call.notice = undefined;
    door('Cleo');
    expect(call.notice).toBeUndefined();
    door('Cleo', 'Dana');
    expect(call.notice).toEqual({ kind: 'knock', name: 'Dana' });
    call.act('admit', 'Dana');
    expect(sent).toEqual([{ type: 'act', payload: { deed: 'admit', of: 'Dana' } }]);
  });

  it('is one until the host says otherwise, also while the channel was away', () => {
    const roster = (coHost: boolean) =>
      call.receive({
        type: 'roster',
        payload: { you: 'me', participants: [person('me', 3, { coHost })], chat: [] },
      });
    door();
    roster(true);
    expect(call.door).toBeDefined();
    call.receive({ type: 'door', payload: { over: true, requests: [] } });
    expect([call.door, call.notice]).toEqual([undefined, { kind: 'co-host', over: true }]);
    door();
    roster(false);
    expect(call.door).toBeUndefined();
  });
});

it('moves to another device with a pass that the host gives', () => {
  call.move();
  expect(sent).toEqual([{ type: 'move', payload: {} }]);
  call.receive({ type: 'pass', payload: { token: 'ICEiIyQlJicoKSorLC0uLw', for: 120_000 } });
  expect(call.pass?.until).toBeGreaterThan(Date.now() + 100_000);
  call.move();
  expect(call.pass).toBeUndefined();
});
