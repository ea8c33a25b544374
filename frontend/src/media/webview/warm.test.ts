import { afterEach, expect, it, vi } from 'vitest';
import { warm } from './warm';

afterEach(() => vi.unstubAllGlobals());

it('leaves no connection, opens no device, and minds no refusal', async () => {
  const close = vi.fn();
  vi.stubGlobal(
    'RTCPeerConnection',
    class {
      close = close;
    },
  );
  const enumerateDevices = vi.fn(() => Promise.reject(new Error('no')));
  const getUserMedia = vi.fn();
  vi.stubGlobal('navigator', { mediaDevices: { enumerateDevices, getUserMedia } });
  warm();
  await Promise.resolve();
  expect(close).toHaveBeenCalledTimes(1);
  expect(enumerateDevices).toHaveBeenCalledTimes(1);
  expect(getUserMedia).not.toHaveBeenCalled();

  vi.stubGlobal('navigator', {}); // a page without a secure context
  expect(warm).not.toThrow();
});
