import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeEngine } from '$src/test/fakeEngine';
import type { GuestMessage, Participant } from '$src/transport';
import { Call } from './call.svelte';

const person = (id: string, joinedAt: number, hand?: number): Participant => ({
  id,
  name: id.toUpperCase(),
  joinedAt,
  hand,
});

let sent: GuestMessage[];
let call: Call;

beforeEach(() => {
  vi.useFakeTimers();
  sent = [];
  call = new Call(new FakeEngine(), (message) => sent.push(message) > 0);
  call.receive({
    type: 'roster',
    payload: {
      you: 'me',
      participants: [person('host', 1), person('ada', 2), person('me', 3)],
      chat: [],
      takes: ['hand', 'react'],
    },
  });
  sent.length = 0;
});
afterEach(() => {
  call.close();
  vi.useRealTimers();
});

describe('reactions', () => {
  it('are shown for a while, and never too many', () => {
    for (let i = 0; i < 100; i++)
      call.receive({ type: 'reaction', payload: { participant: 'ada', reaction: 'clap' } });
    expect(call.gestures.shown).toHaveLength(24);
    expect(call.gestures.shown[0]).toMatchObject({ name: 'ADA', word: 'clap' });
    vi.advanceTimersByTime(5000);
    expect(call.gestures.shown).toHaveLength(0);
  });

  it('of strangers, or by unknown words, are left out', () => {
    call.receive({ type: 'reaction', payload: { participant: 'who', reaction: 'clap' } });
    call.receive({ type: 'reaction', payload: { participant: 'ada', reaction: 'constructor' } });
    expect(call.gestures.shown).toHaveLength(0);
  });

  it('are sent as fast as the host takes them, and no faster', () => {
    for (let i = 0; i < 50; i++) {
      call.gestures.react('heart');
      vi.advanceTimersByTime(100);
    }
    expect(sent.length).toBeLessThanOrEqual(13);
    expect(sent[0]).toEqual({ type: 'react', payload: { reaction: 'heart' } });
  });
});

describe('hands', () => {
  it('are in the order in which they were raised', () => {
    call.receive({ type: 'joined', payload: { participant: person('ada', 2, 20) } });
    call.receive({ type: 'joined', payload: { participant: person('host', 1, 10) } });
    expect(call.hands.map(({ id }) => id)).toEqual(['host', 'ada']);
    expect(call.notice).toEqual({ kind: 'hand', name: 'HOST' });
  });

  it('that the host lowers are told, and those lowered by oneself are not', () => {
    const own = (hand?: number) =>
      call.receive({ type: 'joined', payload: { participant: person('me', 3, hand) } });
    own(10);
    call.gestures.raise(false);
    expect(sent).toEqual([{ type: 'hand', payload: { up: false } }]);
    own();
    expect(call.notice).toBeUndefined();
    own(20);
    own();
    expect(call.notice).toEqual({ kind: 'hand-lowered' });
  });
});

describe('the spotlight', () => {
  it('is large for all until it ends, and leaves what was looked at', () => {
    call.receive({ type: 'spotlight', payload: { participant: 'ada' } });
    expect([call.view, call.front?.id]).toEqual(['speaker', 'ada']);
    expect(call.notice).toEqual({ kind: 'spotlight', name: 'ADA' });
    call.receive({ type: 'spotlight', payload: { participant: '' } });
    expect(call.view).toBe('grid');
  });

  it('gives way to a pin, and to whoever chooses the grid', () => {
    call.receive({ type: 'spotlight', payload: { participant: 'ada' } });
    call.pin('host');
    expect(call.front?.id).toBe('host');
    call.look('grid');
    call.receive({ type: 'spotlight', payload: { participant: 'host' } });
    expect(call.view).toBe('grid');
  });

  it('is there for whoever comes later', () => {
    call.receive({
      type: 'roster',
      payload: {
        you: 'me',
        participants: [person('me', 3), person('ada', 2)],
        chat: [],
        spotlight: 'ada',
      },
    });
    expect([call.view, call.front?.id]).toEqual(['speaker', 'ada']);
  });
});
