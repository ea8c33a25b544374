import { expect, it } from 'vitest';
import { usable } from './browser';
import { undoFor } from './door/undo';
import { agoOf } from './inside/ago';

it('knows the browsers that hide their permissions in different places', () => {
  const agents: [string, number, string][] = [
    [
      'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile/15E148 Safari/604.1',
      5,
      'ios',
    ],
    ['Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/18.0 Safari/605.1.15', 5, 'ios'],
    ['Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/18.0 Safari/605.1.15', 0, 'safari'],
    ['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 0, 'firefox'],
    ['Mozilla/5.0 (Linux; Android 15) Chrome/140.0.0.0 Mobile Safari/537.36', 5, 'android'],
    ['Mozilla/5.0 (Windows NT 10.0) Chrome/140.0.0.0 Safari/537.36 Edg/140.0', 0, 'edge'],
    ['Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0.0.0 Safari/537.36', 0, 'chrome'],
  ];
  for (const [agent, touch, undo] of agents) expect(undoFor(agent, touch), agent).toBe(undo);
});

it('finds a browser without peer connections or without a secure context of no use', () => {
  const all = { RTCPeerConnection: class {}, WebSocket: class {}, crypto: { subtle: {} } };
  expect(usable(all)).toBe(true);
  expect(usable({ ...all, RTCPeerConnection: undefined })).toBe(false);
  expect(usable({ ...all, crypto: {} })).toBe(false);
});

it('says how long ago in words of their size', () => {
  expect(agoOf(-500)).toEqual({ unit: 'now', count: 0 });
  expect(agoOf(12_400)).toEqual({ unit: 'seconds', count: 12 });
  expect(agoOf(125_000)).toEqual({ unit: 'minutes', count: 2 });
});
