import { readFileSync } from 'node:fs';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { HostMessage } from '$src/transport';
import {
  admitted,
  arrived,
  channel,
  ended,
  engine,
  inCall,
  inside,
  letIn,
  open,
  reset,
  rung,
  stage,
} from './test/stage';

beforeEach(reset);

describe('the ways out', () => {
  it('leaving says so, gives up the seat, lets go of the devices', async () => {
    const session = await inCall();
    channel().hasSeat = true;
    session.leave();
    expect(channel().types).toEqual(['knock', 'answer', 'leave']);
    expect(channel().hasSeat).toBe(false);
    expect(channel().closed).toBe(true);
    expect(session.place).toMatchObject({ at: 'out', why: 'left' });
    expect(stage.capture.release).toHaveBeenCalled();
    expect(engine().alive).toBe(false);
  });

  it('asks to join again through a new channel after leaving', async () => {
    const session = await inCall();
    session.leave();
    session.askAgain();
    expect(stage.channels).toHaveLength(2);
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
    channel().say(ended(reason));
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
    stage.arrive(inside);
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
    else if (code === 'link-not-open') expect(session.place).toEqual({ at: 'door' });
    else if (code === 'name-invalid') expect(session.place).toEqual({ at: 'door', refused: true });
    else expect(session.place).toEqual({ at: 'out', why: 'refused', code });
    expect(session.place).not.toHaveProperty('bell');
    session.leave();
  });

  it('waits at the door for a link that opens later, and opens it at its time', () => {
    vi.useFakeTimers();
    try {
      const session = open();
      const says = (opensIn?: number) =>
        channel().say({
          type: 'welcome',
          payload: { version: 1, linkName: '', hostName: 'Sam', opensAt: opensIn && 1, opensIn },
        });
      const opening = vi.spyOn(session.capture, 'open');
      says(60_000);
      expect(session.opens).toBe(Date.now() + 60_000);
      expect(opening).not.toHaveBeenCalled();
      session.join('Ada'); // before the page has been drawn anew
      says(50_000);
      expect(session.place).toEqual({ at: 'door' });
      session.opened();
      expect(session.opens).toBe(0);
      expect(opening).toHaveBeenCalled();
      says();
      expect(session.place).toEqual({ at: 'door' });
      session.leave();
    } finally {
      vi.useRealTimers();
    }
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
      channel().say(ended('fault'));
      channel().become({ phase: 'closed' });
      expect(session.place).toMatchObject({ at: 'waiting', again: true });
      vi.advanceTimersByTime(10_000);
      expect(stage.channels).toHaveLength(2);
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
        (reason) => [`told ${reason}`, () => channel().say(ended(reason))],
      ),
    ),
  };
  it.each(Object.keys(outs))('are let go: %s', async (way) => {
    const session = open();
    channel().welcome();
    session.join('Ada');
    expect(stage.capture.open).toHaveBeenCalled();
    outs[way]!();
    expect(stage.capture.release).toHaveBeenCalled();
    expect(session.place.at).toMatch(/out|declined/);
  });

  it('are let go when the guest leaves the call, or the page goes away', async () => {
    const session = await inCall();
    const opened = vi.mocked(stage.capture.open).mock.calls.length;
    session.hide();
    expect(stage.capture.release).toHaveBeenCalledOnce();
    // Kept by the browser and shown again.
    channel().become({ phase: 'connecting', attempt: 1 });
    channel().welcome();
    expect(stage.capture.open).toHaveBeenCalledTimes(opened + 1);
    session.leave();
    expect(stage.capture.release).toHaveBeenCalledTimes(2);
  });

  it('are not opened for a link that nobody answers', () => {
    open();
    channel().become({ phase: 'unavailable', reason: 'unknown' });
    channel().become({ phase: 'refused', code: 'key-mismatch' });
    expect(stage.capture.open).not.toHaveBeenCalled();
  });
});

describe('a seat that another tab has taken', () => {
  const replaced = async () => {
    const session = await inCall();
    channel().hasSeat = true;
    channel().say({ type: 'ended', payload: { reason: 'replaced', seat: 'back' } });
    channel().become({ phase: 'closed' });
    expect([session.place, channel().hasSeat]).toEqual([{ at: 'out', why: 'replaced' }, true]);
    stage.seat = true;
    return session;
  };

  it('comes back when that tab is gone', async () => {
    const session = await replaced();
    session.comeBack();
    expect(stage.channels).toHaveLength(2);
    channel().welcome();
    expect(channel().types).toEqual([]);
    expect(session.place.at).toBe('out');
    await letIn(session);
  });

  it('stays where it is while that tab is there', async () => {
    const session = await replaced();
    const opened = vi.mocked(stage.capture.open).mock.calls.length;
    session.comeBack();
    session.comeBack();
    channel().welcome();
    channel().say(ended('replaced'));
    channel().become({ phase: 'closed' });
    expect([session.place.at, stage.channels.length]).toEqual(['out', 2]);
    session.comeBack();
    channel().welcome();
    channel().say(ended('seat-gone'));
    expect([session.place.at, channel().closed, channel().types]).toEqual(['out', true, []]);
    expect(stage.capture.open).toHaveBeenCalledTimes(opened);
  });

  it('is given up by whoever asks anew from this tab', async () => {
    const session = await replaced();
    session.askAgain();
    expect(stage.channels[0]!.hasSeat).toBe(false);
    expect(session.place.at).toBe('waiting');
  });
});

describe('outside', () => {
  it('there is no connection, the page knocks by itself, and the call begins anew', async () => {
    const session = await inCall();
    const before = session.call;
    channel().say({ type: 'outside', payload: {} });
    expect(session.place).toMatchObject({ at: 'waiting', outside: true });
    expect([session.call, session.stage, engine().did.at(-1)]).toEqual([
      undefined,
      undefined,
      'leave',
    ]);
    expect(channel().types.at(-1)).toBe('knock');
    channel().say({ type: 'waiting', payload: { bell: 'asked-to-wait', since: 0, ago: 0 } });
    expect(session.place).toMatchObject({ bell: 'asked-to-wait', outside: true });
    await letIn(session);
    expect(session.call).not.toBe(before);
    expect(session.place).toEqual({ at: 'call' });
  });

  it('is left like any wait', async () => {
    const session = await inCall();
    channel().say({ type: 'outside', payload: {} });
    session.leave();
    expect(session.place).toEqual({ at: 'door' });
  });
});

it('ends calmly when another device has the seat', async () => {
  const session = await inCall();
  channel().say(ended('moved'));
  channel().become({ phase: 'closed' });
  expect(session.place).toMatchObject({ at: 'out', why: 'moved' });
});
