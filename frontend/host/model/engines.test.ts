import { describe, expect, it } from 'vitest';
import { devicesOf, possible, running } from './engines';

const both = { native: true, synthetic: false };
const webviewOnly = { native: false, synthetic: false };

describe('the engine that runs', () => {
  it.each([
    ['auto', 'webview', both, 'webview'],
    ['auto', 'native', both, 'native'],
    ['native', 'webview', both, 'native'],
    ['webview', 'native', both, 'native'],
    ['native', 'webview', webviewOnly, 'webview'],
    ['auto', 'native', webviewOnly, undefined],
  ] as const)('set to %s, the page can do %s', (setting, can, engines, want) =>
    expect(running(setting, can, engines)).toBe(want),
  );

  it('offers only what can run', () => {
    expect(possible('webview', both)).toEqual(['webview', 'native']);
    expect(possible('native', webviewOnly)).toEqual([]);
  });
});

describe('devices', () => {
  const none = { cameras: [], microphones: [], speakers: [] };

  it('of the native engine come from the app', async () => {
    const devices = { ...none, cameras: [{ id: '1', name: 'Cam', default: true }] };
    expect(await devicesOf('native', { devices: async () => devices })).toBe(devices);
  });

  it('are none when they cannot be listed', async () => {
    const failing = { devices: () => Promise.reject(new Error('hung')) };
    expect(await devicesOf('native', failing)).toEqual(none);
    expect(await devicesOf(undefined, failing)).toEqual(none);
  });
});
