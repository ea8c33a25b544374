import { beforeEach, expect, it, vi } from 'vitest';
import { LaterCapture } from './capture.svelte';

const calls: unknown[] = [];
class FakeCapture {
  silent = false;
  dark = false;
  asking = true;
  onchange?: () => void;
  constructor(
    _source: undefined,
    readonly how: { muted: boolean; cameraOff: boolean },
  ) {
    calls.push(how);
  }
  async open() {
    calls.push('open');
  }
  async setMuted(muted: boolean) {
    calls.push(['muted', muted]);
  }
  release() {
    calls.push('release');
  }
  close() {
    calls.push('close');
  }
}
type Module = typeof import('$src/media/webview/capture.svelte');
const module = { Capture: FakeCapture } as unknown as Module;

beforeEach(() => {
  calls.length = 0;
});
const later = (fetch = async () => module) =>
  new LaterCapture(fetch, { muted: false, cameraOff: true });

it('says what is wanted while it is on its way, and opens then', async () => {
  const capture = later();
  expect([capture.silent, capture.dark, capture.asking]).toEqual([true, true, false]);
  void capture.open();
  expect([capture.silent, capture.dark, capture.asking]).toEqual([false, true, true]);
  const muted = capture.setMuted(true);
  expect([capture.silent, capture.muted]).toEqual([true, true]);
  await muted;
  expect(calls).toEqual([{ muted: true, cameraOff: true }, 'open', ['muted', true]]);
});

it('opens nothing that is not wanted any more', async () => {
  const capture = later();
  void capture.open();
  capture.release();
  await vi.waitFor(() => expect(calls).toHaveLength(1));
  expect(calls).toEqual([{ muted: false, cameraOff: true }]);
  void capture.open();
  capture.release();
  expect(calls.slice(1)).toEqual(['open', 'release']);
});

it('is fetched until it comes', async () => {
  vi.useFakeTimers();
  let tries = 0;
  const capture = later(async () => {
    if (++tries < 3) throw new TypeError('no network');
    return module;
  });
  void capture.open();
  await vi.advanceTimersByTimeAsync(3000);
  vi.useRealTimers();
  expect([tries, calls.includes('open')]).toEqual([3, true]);
});
