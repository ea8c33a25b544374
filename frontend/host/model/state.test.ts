import { describe, expect, it, vi } from 'vitest';
import type { State } from './backend';
import { HostState } from './state.svelte';

const at = (revision: number, name = 'Ada'): State => ({
  ...new HostState(async () => at(0)).now,
  revision,
  me: { name },
});

describe('HostState', () => {
  it('is not ready before its first snapshot', async () => {
    const state = new HostState(async () => at(3));
    expect(state.ready).toBe(false);
    await state.sync();
    expect(state.ready).toBe(true);
    expect(state.now.me.name).toBe('Ada');
  });

  it('replaces only the keys that a change names', async () => {
    const state = new HostState(async () => at(3));
    await state.sync();
    const settings = state.now.settings;
    state.apply({ from: 3, revision: 4, me: { name: 'Grace' } });
    expect(state.now.me.name).toBe('Grace');
    expect(state.now.settings).toBe(settings);
    expect(state.now.revision).toBe(4);
  });

  it('drops changes that the snapshot already holds', async () => {
    const state = new HostState(async () => at(5));
    await state.sync();
    state.apply({ from: 4, revision: 5, me: { name: 'old' } });
    expect(state.now.me.name).toBe('Ada');
  });

  it('keeps changes that come before the snapshot, and drops those inside it', async () => {
    let answer!: (state: State) => void;
    const state = new HostState(() => new Promise((resolve) => (answer = resolve)));
    const synced = state.sync();
    state.apply({ from: 1, revision: 2, me: { name: 'older' } });
    state.apply({ from: 2, revision: 4, me: { name: 'newer' } });
    answer(at(3));
    await synced;
    expect(state.now.me.name).toBe('newer');
    expect(state.now.revision).toBe(4);
  });

  it('takes a key away when a change says null', async () => {
    const state = new HostState(async () => ({ ...at(1), enter: { linkId: 'l', client: 'c' } }));
    await state.sync();
    state.apply({ from: 1, revision: 2, enter: null });
    expect(state.now.enter).toBeUndefined();
  });

  it('asks for a new snapshot when a change was missed, once', async () => {
    let revision = 1;
    const snapshot = vi.fn(async () => at(revision, `of ${revision}`));
    const state = new HostState(snapshot);
    await state.sync();
    revision = 8;
    state.apply({ from: 6, revision: 7, me: { name: 'seven' } });
    state.apply({ from: 8, revision: 9, me: { name: 'nine' } });
    await state.sync();
    expect(snapshot).toHaveBeenCalledTimes(2);
    expect(state.now.me.name).toBe('nine');
  });

  it('is right when changes overtake one another', async () => {
    let revision = 1;
    const state = new HostState(async () => at(revision, `of ${revision}`));
    await state.sync();
    revision = 3;
    state.apply({ from: 2, revision: 3, me: { name: 'of 3' } });
    state.apply({ from: 1, revision: 2, me: { name: 'of 2' } });
    await state.sync();
    expect(state.now.me.name).toBe('of 3');
    expect(state.now.revision).toBe(3);
  });

  it('shares one snapshot between callers, and may fail and try again', async () => {
    const snapshot = vi.fn<() => Promise<State>>().mockRejectedValueOnce(new Error('closing'));
    snapshot.mockResolvedValue(at(1));
    const state = new HostState(snapshot);
    const [one, two] = [state.sync(), state.sync()];
    await expect(one).rejects.toThrow('closing');
    await expect(two).rejects.toThrow('closing');
    await state.sync();
    expect(state.ready).toBe(true);
    expect(snapshot).toHaveBeenCalledTimes(2);
  });
});
