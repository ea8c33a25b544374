import { expect, it, vi } from 'vitest';
import { limitSound } from './layers';

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
