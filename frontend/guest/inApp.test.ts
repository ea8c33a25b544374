import { expect, it } from 'vitest';
import { inApp, menuOf } from './inApp';

const ios =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)';
const android =
  'Mozilla/5.0 (Linux; Android 14; Pixel 8 Build/AP1A; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/131.0.0.0 Mobile Safari/537.36';

it('knows browsers that are built into apps', () => {
  for (const agent of [
    `${ios} Mobile/22B83 Instagram 356.0.0.36.98 (iPhone15,2; iOS 18_1; de_DE)`,
    `${ios} Mobile/15E148 [FBAN/FBIOS;FBAV/488.0.0.70.95;FBDV/iPhone15,2]`,
    `${ios} Mobile/15E148 MicroMessenger/8.0.53(0x18003531) NetType/WIFI Language/en`,
    `${ios} Mobile/15E148 Safari Line/14.19.0`,
    `${ios} Mobile/15E148 musical_ly_36.7.0 JsSdk/2.0 BytedanceWebview/d8a21c6`,
    `${ios} GSA/340.3.695278077 Mobile/15E148 Safari/604.1`,
    `${ios} Mobile/15E148`, // Gmail's, and others that say nothing
    android,
    `${android} Instagram 356.0.0.41.101 Android`,
    `${android} [FB_IAB/FB4A;FBAV/489.0.0.66.81;]`,
    `${android} Line/14.18.1/IAB`,
  ])
    expect(inApp(agent, true), agent).toBe(true);
});

it('takes no browser for an app', () => {
  for (const agent of [
    `${ios} Version/18.1 Mobile/15E148 Safari/604.1`,
    `${ios} CriOS/131.0.6778.73 Mobile/15E148 Safari/604.1`,
    `${ios} FxiOS/133.0 Mobile/15E148 Safari/605.1.15`,
    `${ios} EdgiOS/131.0.2903.48 Version/18.0 Mobile/15E148 Safari/604.1`,
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15',
    'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36',
    'Mozilla/5.0 (Android 14; Mobile; rv:133.0) Gecko/133.0 Firefox/133.0',
    'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0',
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/131.0.0.0 Safari/537.36',
  ])
    expect(inApp(agent, true), agent).toBe(false);
});

it('counts a browser that can’t ask for devices as one', () => {
  expect(inApp('Mozilla/5.0 (X11; Linux x86_64) Safari/605.1.15', false)).toBe(true);
});

it('knows where to look for the way out', () => {
  expect(menuOf(ios)).toBe('ios');
  expect(menuOf(android)).toBe('android');
  expect(menuOf('Mozilla/5.0 (X11; Linux x86_64)')).toBe('other');
});
