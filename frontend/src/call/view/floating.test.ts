import { expect, it, vi } from 'vitest';
import type { Call } from '../model/call.svelte';
import { float } from './floating.svelte';

class Video {
  onloadedmetadata?: () => void;
  srcObject: unknown;
  play = async () => {};
  requestPictureInPicture = vi.fn(async () => {});
  addEventListener = () => {};
}

function begin(signal: AbortSignal) {
  const video = new Video();
  vi.stubGlobal('window', {});
  vi.stubGlobal('document', { createElement: () => video });
  vi.stubGlobal('MediaStream', class {});
  const seen = vi.fn();
  const closed = vi.fn();
  const call = {
    front: { id: 'ada', picture: 'ada' },
    engine: { trackOf: () => ({}) },
    seen: { float: seen },
  } as unknown as Call;
  return { video, seen, closed, floated: float(call, undefined!, () => {}, closed, signal) };
}

it('gives up when it is not wanted any longer, and nobody counts as seen', async () => {
  const wish = new AbortController();
  const { seen, closed, floated } = begin(wish.signal);
  wish.abort();
  await expect(floated).rejects.toBeDefined();
  expect(seen).toHaveBeenLastCalledWith();
  expect(closed).toHaveBeenCalledOnce();
});

it('waits for a picture no longer than a press is good for', async () => {
  vi.useFakeTimers();
  const { seen, floated } = begin(new AbortController().signal);
  const rejected = expect(floated).rejects.toBeUndefined();
  await vi.advanceTimersByTimeAsync(5000);
  await rejected;
  expect(seen).toHaveBeenLastCalledWith();
  vi.useRealTimers();
});

it('floats once there is a picture', async () => {
  const { video, closed, floated } = begin(new AbortController().signal);
  video.onloadedmetadata?.();
  await floated;
  expect(video.requestPictureInPicture).toHaveBeenCalledOnce();
  expect(closed).not.toHaveBeenCalled();
});
