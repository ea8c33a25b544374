import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeEngine } from '$src/test/fakeEngine';
import { FakeTransport } from '$src/test/fakeTransport';
import type { HostMessage } from '$src/transport';
import { Fault } from './backend';
import { Presence, type PresenceOptions } from './presence.svelte';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const roster: HostMessage = {
  type: 'roster',
  payload: { you: 'host', participants: [{ id: 'host', name: 'Ada', joinedAt: 0 }], chat: [] },
};

function come(part: Partial<PresenceOptions> = {}) {
  const transports: FakeTransport[] = [];
  const engines: FakeEngine[] = [];
  const hows: { muted: boolean; cameraOff: boolean }[] = [];
  const options = {
    link: 'L',
    commands: { leaveCall: vi.fn(async () => {}), endCall: vi.fn(async () => {}) },
    enter: vi.fn(async () => ({ url: 'ws://127.0.0.1/', token: 'T', engine: 'webview' })),
    onout: vi.fn(),
    onfault: vi.fn(),
    backoff: () => 1000,
    ...part,
  };
  const presence = new Presence({
    ...options,
    build: (_, how) => {
      const transport = new FakeTransport();
      const engine = Object.assign(new FakeEngine(), how);
      hows.push(how);
      transports.push(transport);
      engines.push(engine);
      return { transport, engine };
    },
  });
  return { presence, transports, engines, hows, options };
}

async function comeIn(part: Partial<PresenceOptions> = {}) {
  const all = come(part);
  await all.presence.enter();
  all.transports[0]!.become({ phase: 'open' });
  all.transports[0]!.say(roster);
  return all;
}

describe('a window in a call', () => {
  it('says so when the webview forbids connections', async () => {
    const { presence, transports, engines } = await comeIn();
    engines[0]!.receive = () => {
      throw new DOMException('no', 'NotAllowedError');
    };
    transports[0]!.say({ type: 'offer', payload: { negotiation: 1, sdp: 'v=0' } });
    expect(presence.phase).toBe('failed');
    expect(presence.failure).toEqual({ code: 'engine-unavailable', message: '' });
  });

  it('is in with the first roster', async () => {
    const { presence, transports } = come();
    const entered = presence.enter();
    expect(presence.phase).toBe('entering');
    await entered;
    transports[0]!.become({ phase: 'open' });
    expect(presence.phase).toBe('entering');
    transports[0]!.say(roster);
    expect(presence.phase).toBe('in');
    expect(presence.call?.people.map(({ name }) => name)).toEqual(['Ada']);
  });

  it('says why it could not enter, and may try again', async () => {
    const enter = vi
      .fn<PresenceOptions['enter']>()
      .mockRejectedValueOnce(new Fault('link-spent', 'used'));
    enter.mockResolvedValue({ url: '', token: '', engine: 'webview' });
    const { presence, transports } = come({ enter });
    await presence.enter();
    expect(presence.phase).toBe('failed');
    expect(presence.failure).toEqual({ code: 'link-spent', message: 'used' });
    await presence.enter();
    expect(transports).toHaveLength(1);
    expect(presence.failure).toBeUndefined();
  });

  it('leaves over its socket, and lets go of its devices', async () => {
    const { presence, transports, engines, options } = await comeIn();
    presence.leave();
    expect(transports[0]!.sent.at(-1)).toEqual({ type: 'leave', payload: {} });
    expect(transports[0]!.closed).toBe(true);
    expect(engines[0]!.closed).toBe(true);
    expect(options.commands.leaveCall).not.toHaveBeenCalled();
    expect(options.onout).toHaveBeenCalledExactlyOnceWith(undefined);
    presence.leave();
    expect(options.onout).toHaveBeenCalledTimes(1);
  });

  it('leaves by a command while its socket is not open', async () => {
    const { presence, options } = come();
    await presence.enter();
    presence.leave();
    expect(options.commands.leaveCall).toHaveBeenCalledWith('L');
    expect(options.onfault).not.toHaveBeenCalled();
  });

  it('that is left while it asks for a ticket builds nothing', async () => {
    let answer!: (entry: { url: string; token: string; engine: string }) => void;
    const { presence, transports } = come({
      enter: () =>
        new Promise((resolve) => {
          answer = resolve;
        }),
    });
    const entered = presence.enter();
    presence.leave();
    answer({ url: '', token: '', engine: 'webview' });
    await entered;
    expect(transports).toHaveLength(0);
  });

  it.each([
    ['ended', 'ended'],
    ['removed', 'removed'],
    ['spent', 'ended'],
  ] as const)('is out when the host’s app says %s', async (reason, out) => {
    const { transports, options } = await comeIn();
    transports[0]!.say({ type: 'ended', payload: { reason } });
    expect(options.onout).toHaveBeenCalledExactlyOnceWith(out);
  });

  it('is out when another window took the call over', async () => {
    const { transports, options } = await comeIn();
    transports[0]!.become({ phase: 'refused', code: 'seat-taken' });
    expect(options.onout).toHaveBeenCalledExactlyOnceWith('elsewhere');
  });

  it('ends the call for everyone, or says why not', async () => {
    const one = await comeIn();
    await one.presence.end();
    expect(one.options.onout).toHaveBeenCalledTimes(1);
    const fault = new Fault('internal', '');
    const other = await comeIn({
      commands: { leaveCall: async () => {}, endCall: () => Promise.reject(fault) },
    });
    await other.presence.end();
    expect(other.options.onfault).toHaveBeenCalledWith(fault);
    expect(other.options.onout).not.toHaveBeenCalled();
  });
});

describe('a socket that breaks', () => {
  const broken = { phase: 'refused', code: 'connect-failed' } as const;

  it('is opened anew, with the microphone and the camera as they were', async () => {
    const { presence, transports, engines, hows } = await comeIn();
    Object.assign(engines[0]!, { muted: true });
    transports[0]!.become(broken);
    expect(presence.phase).toBe('entering');
    await vi.advanceTimersByTimeAsync(1000);
    expect(transports).toHaveLength(2);
    expect(hows[1]).toEqual({ muted: true, cameraOff: false });
    expect(engines[0]!.closed).toBe(true);
    transports[1]!.say(roster);
    expect(presence.phase).toBe('in');
  });

  it('again and again asks the person', async () => {
    const { presence, transports } = await comeIn();
    for (let at = 0; presence.phase !== 'failed'; at++) {
      transports[at]!.become(broken);
      await vi.advanceTimersByTimeAsync(1000);
    }
    expect(transports).toHaveLength(6);
    expect(presence.failure?.code).toBe('connect-failed');
  });

  it('stays closed once the window has left', async () => {
    const { presence, transports, options } = await comeIn();
    transports[0]!.become(broken);
    presence.leave();
    await vi.runAllTimersAsync();
    expect(options.enter).toHaveBeenCalledTimes(1);
  });
});
