// For tests and the gallery: a transport whose other end is played by hand.
import type { GuestMessage, HostMessage, Transport, TransportState } from '../transport';

/** A transport that keeps what is sent, and becomes and says what a test wants. */
export class FakeTransport implements Transport {
  state: TransportState = { phase: 'connecting', attempt: 0 };
  onmessage: ((message: HostMessage) => void) | null = null;
  onstate: ((state: TransportState) => void) | null = null;
  /** What was sent while the state was `open`. */
  readonly sent: GuestMessage[] = [];
  /** How often the page asked for another try. */
  retries = 0;
  closed = false;

  connect(): void {}

  send(message: GuestMessage): boolean {
    if (this.state.phase !== 'open') return false;
    this.sent.push(message);
    return true;
  }

  retryNow(): void {
    this.retries++;
  }

  close(): void {
    this.closed = true;
    this.onmessage = this.onstate = null;
  }

  /** Changes the state, and tells the page. */
  become(state: TransportState): void {
    this.state = state;
    this.onstate?.(state);
  }

  /** Delivers a message of the host. */
  say(message: HostMessage): void {
    this.onmessage?.(message);
  }

  /** The types of what was sent, in order. */
  get types(): GuestMessage['type'][] {
    return this.sent.map(({ type }) => type);
  }
}
