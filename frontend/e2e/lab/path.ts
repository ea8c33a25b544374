// How media comes to a guest, as the guest's browser tells (W3C webrtc-stats),
// and packets as they pass a machine's interface.
import type { Page } from 'playwright-core';
import type { Page as FirefoxPage } from 'puppeteer-core';
import { evaluate } from './browsers.js';

/** One end of the pair of candidates that carries a peer connection. */
interface End {
  /** host, srflx, prflx or relay (RFC 8445). */
  type: string;
  protocol: string;
  address: string;
  port: number;
  /** How the guest reaches its relay: udp, tcp or tls. */
  relayProtocol?: string;
}

export interface Path {
  local: End;
  remote: End;
  /** Round trip of the last check, in milliseconds. */
  roundTrip: number;
}

/** The pair in use of the page's newest peer connection that still lives; undefined for none. */
export function pathOf(page: Page | FirefoxPage): Promise<Path | undefined> {
  return evaluate(
    page,
    `(async () => {
    const peer = (window.__peers || []).filter((p) => p.connectionState !== 'closed').at(-1);
    if (!peer) return undefined;
    const stats = await peer.getStats();
    const all = [...stats.values()];
    const transport = all.find((s) => s.type === 'transport');
    const pair = transport ? stats.get(transport.selectedCandidatePairId) : all.find((s) => s.selected); // Firefox
    if (!pair) return undefined;
    const end = (id) => {
      const { candidateType: type, protocol, address, port, relayProtocol } = stats.get(id);
      return { type, protocol, address, port, relayProtocol };
    };
    return { local: end(pair.localCandidateId), remote: end(pair.remoteCandidateId), roundTrip: (pair.currentRoundTripTime || 0) * 1000 };
  })()`,
  );
}

/** Media goes through the relay, which is at an address. */
export function isRelayed(path: Path, relay: string): boolean {
  return (
    path.local.type === 'relay' || path.remote.type === 'relay' || path.remote.address === relay
  );
}

export function describePath({ local, remote }: Path): string {
  const how = local.relayProtocol ? ` over ${local.relayProtocol}` : '';
  return `${local.type}${how} ↔ ${remote.type}, ${local.protocol}`;
}

/** Runs in a page before its own scripts: keeps all that its peers are told of the other side. */
export const keepTold = `(() => {
  const told = [];
  Object.defineProperty(window, '__told', { value: told });
  for (const method of ['setRemoteDescription', 'addIceCandidate']) {
    const native = RTCPeerConnection.prototype[method];
    RTCPeerConnection.prototype[method] = function (...args) {
      told.push(JSON.stringify(args));
      return native.apply(this, args);
    };
  }
})();`;

/** Descriptions and candidates that the page was given for its peers, and what its peers found out themselves. */
export function toldTo(page: Page): Promise<string> {
  return page.evaluate(`(async () => {
    const told = [...window.__told];
    for (const peer of window.__peers || [])
      for (const s of (await peer.getStats()).values()) if (s.type === 'remote-candidate') told.push(JSON.stringify(s));
    return told.join('\\n');
  })()`);
}

export interface Received {
  packets: number;
  /** As counted by the receiver, RFC 3550 section 6.4.1. */
  lost: number;
}

/** What the page's living peers have received. */
export function receivedBy(page: Page): Promise<Received> {
  return page.evaluate(`(async () => {
    const sum = { packets: 0, lost: 0 };
    for (const peer of window.__peers || []) {
      if (peer.connectionState === 'closed') continue;
      for (const s of (await peer.getStats()).values()) {
        if (s.type !== 'inbound-rtp') continue;
        sum.packets += s.packetsReceived;
        sum.lost += s.packetsLost;
      }
    }
    return sum;
  })()`);
}
