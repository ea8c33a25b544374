import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeEngine } from '$src/test/fakeEngine';
import { FakeTransport } from '$src/test/fakeTransport';
import { link, request } from '../test/samples';
import type { Backend, Change, State } from './backend';
import { Fault, ownWindow } from './backend';
import { Host, type HostOptions } from './host.svelte';
import { nothing } from './state.svelte';

const base: State = {
  ...nothing,
  revision: 1,
  me: { name: 'Ada' },
  links: [link('A', { name: 'A' }), link('B')],
};

function open(
  state: Partial<State> = {},
  part: Partial<Backend> = {},
  more: Partial<HostOptions> = {},
) {
  let onchange: (change: Change) => void = () => {};
  let revision = 1;
  const backend = new Proxy(
    {
      snapshot: vi.fn(async () => ({ ...base, ...state })),
      attend: vi.fn(async () => {}),
      enterCall: vi.fn(async () => ({ url: '', token: '', engine: 'webview' })),
      watchProgram: () => () => {},
      watch: (wanted: typeof onchange) => {
        onchange = wanted;
        return () => {};
      },
      ...part,
    } as unknown as Backend,
    {
      get: (target, key) => {
        const known = target as unknown as Record<string | symbol, unknown>;
        known[key] ??= vi.fn(async () => {});
        return known[key];
      },
    },
  );
  let time = 0;
  const ring = vi.fn();
  const prepare = vi.fn();
  const expected = vi.fn();
  const memory: HostOptions['memory'] = { call: undefined, theme: undefined, language: '' };
  const host = new Host({
    backend,
    client: 'this',
    ring,
    prepare,
    engine: 'webview',
    build: () => ({
      transport: new FakeTransport(),
      engine: Object.assign(new FakeEngine(), { expect: expected }),
    }),
    memory,
    backoff: () => 0,
    now: () => time,
    ...more,
  });
  const change = (keys: Omit<Change, 'revision' | 'from'>) => {
    onchange({ from: revision, revision: revision + 1, ...keys });
    revision++;
  };
  const pass = (ms: number) => {
    time += ms;
  };
  const say = (change: Change) => onchange(change);
  return { host, backend, change, say, ring, prepare, expected, memory, pass };
}

describe('the window', () => {
  it('says why when the app cannot be asked, and can be tried again', async () => {
    const snapshot = vi
      .fn<Backend['snapshot']>()
      .mockRejectedValueOnce(new Fault('store-unavailable', ''));
    snapshot.mockResolvedValue(base);
    const { host } = open({}, { snapshot });
    await host.open();
    expect(host.broken).toMatch(/folder/);
    await host.open();
    expect(host.broken).toBe('');
    expect(host.state.ready).toBe(true);
  });

  it('does what a change asks for that overtook another one', async () => {
    const entering = { linkId: 'A', client: 'this' };
    const snapshot = vi.fn<Backend['snapshot']>().mockResolvedValueOnce(base);
    snapshot.mockResolvedValue({
      ...base,
      revision: 3,
      requests: [request('Grace')],
      enter: entering,
    });
    const { host, ring, say } = open({}, { snapshot });
    await host.open();
    say({ from: 2, revision: 3, enter: entering });
    await vi.waitFor(() => expect(host.call).toBe('A'));
    expect(ring).toHaveBeenCalledTimes(1);
  });

  it('tells the app that it is looked at, once a second at most', async () => {
    const { host, backend, pass } = open();
    await host.open();
    host.attend();
    expect(backend.attend).toHaveBeenCalledTimes(1);
    pass(1000);
    host.attend();
    expect(backend.attend).toHaveBeenCalledTimes(2);
    expect(backend.attend).toHaveBeenLastCalledWith('this');
  });

  it('in the app’s own window counts as used when it is used: it opens by itself', async () => {
    const { host, backend } = open({}, {}, { client: ownWindow });
    await host.open();
    expect(backend.attend).not.toHaveBeenCalled();
    host.attend();
    expect(backend.attend).toHaveBeenCalledWith(ownWindow);
  });

  it('calls the app’s own window what the app calls it', () => {
    const app = readFileSync(new URL('../../../desktop/lifecycle.go', import.meta.url), 'utf8');
    expect(app).toContain(`const ownWindow = "${ownWindow}"\n`);
  });

  it('counts those who wait in its title, but not the silenced', async () => {
    const { host, change } = open();
    await host.open();
    expect(host.title).toBe('Porch');
    change({ requests: [request('ada'), request('bea'), request('cleo', { bell: 'silenced' })] });
    expect(host.title).toBe('(2) Porch');
    host.enter('A');
    expect(host.title).toBe('(2) A – Porch');
  });

  it('rings and reads out who knocks, unless the bell is off', async () => {
    const quiet = open({ settings: { ...base.settings, bellSound: false } });
    await quiet.host.open();
    quiet.change({ requests: [request('Ada')] });
    expect(quiet.ring).not.toHaveBeenCalled();
    expect(quiet.host.announcement).toContain('Ada');

    const { host, ring, change } = open();
    await host.open();
    change({ requests: [request('Ada')] });
    expect(ring).toHaveBeenCalledTimes(1);
  });

  it('leaves the ringing to the page in which the host is in a call', async () => {
    const calls = [
      { linkId: 'A', name: '', hostIn: true, engine: 'webview', participants: [] },
      { linkId: 'B', name: '', hostIn: false, engine: '', participants: [] },
    ];
    const beside = open({ calls });
    await beside.host.open();
    beside.change({ requests: [request('Ada')] });
    expect(beside.ring).not.toHaveBeenCalled();
    expect(beside.host.announcement).toContain('Ada');

    const within = open({ calls });
    await within.host.open();
    within.host.enter('A');
    within.change({ requests: [request('Ada')] });
    expect(within.ring).toHaveBeenCalledTimes(1);

    const outside = open({ calls: calls.slice(1) });
    await outside.host.open();
    outside.change({ requests: [request('Ada')] });
    expect(outside.ring).toHaveBeenCalledTimes(1);
  });
});

describe('a knock', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('has the call made ready once the bell has rung', async () => {
    const { host, change, ring, prepare } = open();
    await host.open();
    change({ requests: [request('Ada'), request('Bea')] });
    expect(ring).toHaveBeenCalled();
    expect(prepare).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1000);
    expect(prepare).toHaveBeenCalledTimes(1);
    change({ requests: [request('Eve')] });
    vi.advanceTimersByTime(1000);
    expect(prepare).toHaveBeenCalledTimes(2);
  });

  it('has nothing made ready in a call, nor for a window that is closed', async () => {
    const { host, change, prepare } = open();
    await host.open();
    change({ requests: [request('Ada')] });
    host.enter('A');
    vi.advanceTimersByTime(1000);
    change({ requests: [request('Bea')] });
    vi.advanceTimersByTime(1000);

    const closed = open();
    await closed.host.open();
    closed.change({ requests: [request('Ada')] });
    closed.host.close();
    vi.advanceTimersByTime(1000);
    expect(prepare).not.toHaveBeenCalled();
    expect(closed.prepare).not.toHaveBeenCalled();
  });
});

describe('the look', () => {
  it('is the system’s until the app says another, and follows what is chosen', async () => {
    const { host, backend, change, memory } = open({
      settings: { ...base.settings, theme: 'dark' },
    });
    expect(host.theme).toBe('system');
    await host.open();
    expect(host.theme).toBe('dark');
    await host.setSettings({ theme: 'light' });
    expect(backend.setSettings).toHaveBeenCalledExactlyOnceWith({
      ...base.settings,
      theme: 'light',
    });
    change({ settings: { ...base.settings, theme: 'light' } });
    expect(host.theme).toBe('light');
    expect(memory.theme).toBe('light');
    change({ settings: { ...base.settings, theme: 'sepia' } });
    expect(host.theme).toBe('system');

    const again = open({}, {}, { memory: { call: undefined, theme: 'dark', language: '' } });
    expect(again.host.theme).toBe('dark');
    await again.host.open();
    expect(again.host.theme).toBe('system');
  });
});

it('waits for what a command has changed, which may come after its answer', async () => {
  const snapshot = vi.fn<Backend['snapshot']>().mockResolvedValueOnce(base);
  snapshot.mockResolvedValueOnce({ ...base, revision: 2, me: { name: 'Sam' } });
  snapshot.mockRejectedValue(new Error('closing'));
  const { host } = open({}, { snapshot });
  await host.open();
  expect(await host.change(Promise.resolve())).toBe(true);
  expect(host.now.me.name).toBe('Sam');
  expect(await host.change(Promise.reject(new Error('no')))).toBe(false);
  expect(snapshot).toHaveBeenCalledTimes(2);
  expect(await host.change(Promise.resolve())).toBe(true); // although nothing can be asked now
});

describe('Create Link', () => {
  it('opens the share sheet of the new link, also when its change comes later', async () => {
    const made = link('C');
    const snapshot = vi.fn<Backend['snapshot']>().mockResolvedValueOnce(base);
    snapshot.mockResolvedValue({ ...base, revision: 2, links: [made, ...base.links] });
    const { host } = open({}, { snapshot, createLink: async () => made });
    await host.open();
    await host.createLink();
    expect(host.sheet).toEqual({ kind: 'share', link: 'C' });
    expect(host.sheetLink?.id).toBe('C');
  });

  it('makes one link however often it is pressed meanwhile', async () => {
    const createLink = vi.fn(async () => link('A'));
    const { host } = open({}, { createLink });
    await host.open();
    await Promise.all([host.createLink(), host.createLink()]);
    expect(createLink).toHaveBeenCalledTimes(1);
  });

  it('says what went wrong', async () => {
    const { host } = open(
      {},
      { createLink: () => Promise.reject(new Fault('store-unavailable', '')) },
    );
    await host.open();
    await host.createLink();
    expect(host.sheet).toBeUndefined();
    expect(host.toasts.shown[0]?.kind).toBe('fault');
    expect(host.creating).toBe(false);
  });
});

describe('entering', () => {
  it('happens by itself where the app asks this window', async () => {
    const { host, change, backend } = open();
    await host.open();
    change({ enter: { linkId: 'A', client: 'another' } });
    expect(host.call).toBeUndefined();
    change({ enter: { linkId: 'A', client: 'this' } });
    expect(host.call).toBe('A');
    expect(backend.enterCall).toHaveBeenCalledExactlyOnceWith('A', 'this', 'webview');
  });

  it('tells the engine while somebody knocks at this call', async () => {
    const { host, change, expected } = open();
    await host.open();
    host.enter('A');
    await vi.waitFor(() => expect(expected).toHaveBeenLastCalledWith(false));
    change({ requests: [request('Ada', { linkId: 'B' })] });
    expect(expected).toHaveBeenLastCalledWith(false);
    change({ requests: [request('Bea')] });
    expect(expected).toHaveBeenLastCalledWith(true);
    change({ requests: [request('Bea', { away: true })] });
    expect(expected).toHaveBeenLastCalledWith(false);

    host.presence?.leave();
    change({ requests: [request('Eve')] });
    host.enter('A');
    await vi.waitFor(() => expect(expected).toHaveBeenLastCalledWith(true));
  });

  it('closes the sheet, and is remembered over a reload', async () => {
    const { host, memory } = open();
    await host.open();
    host.sheet = { kind: 'details', link: 'A' };
    host.enter('A');
    expect(host.sheet).toBeUndefined();
    expect(memory.call).toBe('A');
    host.presence?.leave();
    expect(memory.call).toBeUndefined();
    expect(host.presence).toBeUndefined();
  });

  it('another call asks first, and asks once', async () => {
    const { host, change } = open();
    await host.open();
    host.enter('A');
    change({ enter: { linkId: 'B', client: 'this' } });
    expect(host.call).toBe('A');
    expect(host.elsewhere?.id).toBe('B');
    host.stay();
    expect(host.elsewhere).toBeUndefined();
    change({ enter: null });
    change({ enter: { linkId: 'B', client: 'this' } });
    expect(host.elsewhere?.id).toBe('B');
    host.enter('B');
    expect(host.call).toBe('B');
  });

  it('again after a reload, while the app still holds the place', async () => {
    const held = { linkId: 'A', name: 'A', hostIn: true, engine: 'webview', participants: [] };
    const { host } = open(
      { calls: [held] },
      {},
      { memory: { call: 'A', theme: undefined, language: '' } },
    );
    await host.open();
    expect(host.call).toBe('A');

    const memory = { call: 'A', theme: undefined, language: '' };
    const late = open({ calls: [{ ...held, hostIn: false }] }, {}, { memory });
    await late.host.open();
    expect(late.host.call).toBeUndefined();
    expect(memory.call).toBeUndefined();
  });
});

describe('removing a link', () => {
  it('closes its details, also when it was removed already', async () => {
    const removeLink = () => Promise.reject(new Fault('link-removed', ''));
    const { host } = open({}, { removeLink });
    await host.open();
    host.sheet = { kind: 'details', link: 'A' };
    await host.removeLink('A');
    expect(host.sheet).toBeUndefined();
    expect(host.toasts.shown.map(({ kind }) => kind)).toEqual(['word']);
  });
});
