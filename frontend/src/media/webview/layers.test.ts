import { expect, it, vi } from 'vitest';
import type { VideoLayer } from '$src/transport';
import { instruct, limitSound, type Wish } from './layers';

/** What is sent of three layers: each that is active with its rate in kbit/s. */
function sent(
  video: VideoLayer[] | undefined,
  wish: Partial<Wish> = {},
  encodings: RTCRtpEncodingParameters[] = [{ rid: 'q' }, { rid: 'h' }, { rid: 'f' }],
): string {
  const all = {
    seen: true,
    expecting: false,
    size: 'full',
    rate: 30,
    width: 1280,
    height: 720,
  } as const;
  instruct(encodings, { layers: video && { video }, ...all, ...wish });
  const active = encodings.filter((encoding) => encoding.active);
  return active.map(({ rid, maxBitrate = 0 }) => `${rid} ${maxBitrate / 1000}`).join(', ');
}

const of = (...rates: number[]): VideoLayer[] =>
  rates.map((rate, i) => ({ rid: 'qhf'[i]!, active: rate > 0, maxBitrate: 1000 * rate }));

it('sends the layers that the host wants, and begins with the middle one', () => {
  expect(sent(undefined)).toBe('h 1500');
  expect(sent(of(100, 0, 900))).toBe('q 100, f 900');
  expect(sent(of(0, 0, 9000))).toBe('f 1500');
  expect(sent(of(0, 0, 0))).toBe('');
  expect(sent([{ active: true }])).toBe('h 1500');
  expect(sent([{ active: false }])).toBe('');
  const nobody = { seen: false };
  expect(sent(of(100, 0, 900), nobody)).toBe('');
  expect(sent(of(0, 0, 0), { ...nobody, expecting: true })).toBe('h 1500');
});

it('lets a large picture grow', () => {
  expect(sent(of(0, 0, 900), { size: 'small' })).toBe('h 1500');
  expect(sent(of(100, 0, 900), { size: 'small' })).toBe('q 100, h 1500');
  expect(sent(of(0, 0, 900), { size: 'growing' })).toBe('h 1500, f 900');
  expect(sent(of(100, 0, 0), { size: 'small' })).toBe('q 100');
});

it('sends of a small camera what there is', () => {
  const vga = { width: 640, height: 480 };
  expect(sent(of(0, 0, 900), vga)).toBe('h 1500, f 900');
  expect(sent(of(100, 0, 900), vga)).toBe('q 100, f 900');
  expect(sent(of(0, 300, 0), { width: 320, height: 180 })).toBe('q 1500, h 300');
  expect(sent(of(0, 0, 900), { width: 960, height: 540 })).toBe('f 900');
  expect(sent(of(0, 0, 900), { width: 0, height: 0 })).toBe('f 900');
  const scaled = ['q', 'h', 'f'].map((rid, i) => ({ rid, scaleResolutionDownBy: [4, 2, 1][i]! }));
  expect(sent(of(0, 0, 900), vga, scaled)).toBe('f 900'); // Firefox sends all sizes of any camera
  expect(scaled.map((encoding) => encoding.scaleResolutionDownBy)).toEqual([4, 2, 1]);
});

it('leaves the scale of layers to the browser', () => {
  const encodings: RTCRtpEncodingParameters[] = [{ rid: 'q' }, { rid: 'h' }, { rid: 'f' }];
  sent(of(100, 300, 900), { size: 'small' }, encodings);
  expect(encodings.some((encoding) => 'scaleResolutionDownBy' in encoding)).toBe(false);
  expect(encodings.map(({ maxFramerate }) => maxFramerate)).toEqual([30, 30, 30]);
});

it('limits the sound, and gives it back to the browser', async () => {
  let encodings: RTCRtpEncodingParameters[] = [{}];
  const setParameters = vi.fn(async (next: RTCRtpSendParameters) => {
    encodings = next.encodings;
  });
  const sender = {
    getParameters: () => ({ encodings: structuredClone(encodings) }),
    setParameters,
  } as unknown as RTCRtpSender;
  await limitSound(sender);
  expect(setParameters).not.toHaveBeenCalled();
  await limitSound(sender, 24_000);
  expect(encodings).toEqual([{ maxBitrate: 24_000 }]);
  await limitSound(sender, 24_000);
  expect(setParameters).toHaveBeenCalledTimes(1);
  await limitSound(sender, 0);
  expect(encodings).toEqual([{}]);
});
