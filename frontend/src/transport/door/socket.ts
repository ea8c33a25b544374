import { concat, fromBase64url } from '../bytes';
import { closeCodes, maxFrame } from '../generated/signalling';
import type { Socket } from '../socket';
import type { DoorAddress } from './address';
import { answerTo, newCredentials } from './description';

/** How long the host's computer may take to answer. */
const patience = 6_000; // ms
/** How long what was said last may take to leave. */
const farewell = 1_000; // ms
/** A frame goes in parts: one byte says whether more follows. */
const partSize = 16 * 1024;
const more = 1;
const last = 0;
/** More than sealing adds to a message. */
const sealRoom = 64;
/** As a WebSocket says that its connection was lost (RFC 6455 section 7.4.1). */
const lost = 1006;

/**
 * A WebSocket's place taken by a data channel that leads straight to the host's app. The page writes the host's answer
 * by itself, so nothing has to be asked of anybody.
 */
export class DoorSocket implements Socket {
  binaryType: BinaryType = 'arraybuffer';
  readonly OPEN = 1;
  onopen: ((event: Event) => void) | null = null;
  onmessage: ((event: MessageEvent) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;

  readonly #peer: RTCPeerConnection;
  readonly #channel: RTCDataChannel;
  readonly #late: ReturnType<typeof setTimeout>;
  #parts: Uint8Array[] = [];
  #over = false;
  #answered = false;

  /** outcome is told whether the host has answered, once. */
  constructor(
    door: DoorAddress,
    private readonly outcome: (opened: boolean) => void = () => {},
  ) {
    this.#peer = new RTCPeerConnection();
    this.#channel = this.#peer.createDataChannel('door', { negotiated: true, id: 0 });
    this.#channel.binaryType = 'arraybuffer';
    this.#late = setTimeout(() => this.#end(lost), patience);
    this.#channel.onopen = (event) => {
      clearTimeout(this.#late);
      this.#answered = true;
      this.outcome(true);
      this.onopen?.(event);
    };
    this.#channel.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => this.#take(data);
    this.#channel.onclose = () => this.#end(lost);
    this.#peer.onconnectionstatechange = () => {
      // No answer for some seconds: a new connection is there sooner than this one comes back.
      if (/disconnected|failed/.test(this.#peer.connectionState)) this.#end(lost);
    };
    globalThis.addEventListener?.('pagehide', this.#hide);
    this.#connect(door).catch(() => this.#end(lost));
  }

  get readyState(): number {
    if (this.#over) return 3;
    return this.#channel.readyState === 'open' ? this.OPEN : 0;
  }

  send(data: string | ArrayBuffer | ArrayBufferView<ArrayBuffer>): void {
    if (typeof data === 'string') {
      this.#channel.send(data);
      return;
    }
    const frame = ArrayBuffer.isView(data)
      ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
      : new Uint8Array(data);
    for (let at = 0; at < frame.length; at += partSize) {
      const rest = frame.subarray(at, at + partSize);
      const kind = at + partSize < frame.length ? more : last;
      this.#channel.send(concat(new Uint8Array([kind]), rest));
    }
  }

  close(code: number = closeCodes.done): void {
    if (this.#over) return;
    const open = this.#channel.readyState === 'open';
    this.#stop();
    if (!open) {
      this.#peer.close();
      return;
    }
    this.#channel.send(String(code));
    // What was sent is on its way before the channel closes; then the connection can go.
    this.#channel.onclose = () => this.#peer.close();
    this.#channel.close();
    setTimeout(() => this.#peer.close(), farewell);
  }

  async #connect(door: DoorAddress): Promise<void> {
    const secret = fromBase64url(door.secret, 16);
    if (!secret) throw new Error('secret');
    const peer = this.#peer;
    const [offer, credentials] = await Promise.all([peer.createOffer(), newCredentials(secret)]);
    await peer.setLocalDescription(offer);
    await peer.setRemoteDescription({
      type: 'answer',
      sdp: answerTo(offer.sdp ?? '', door, credentials),
    });
  }

  #take(data: string | ArrayBuffer): void {
    if (this.#over) return;
    if (typeof data === 'string') {
      const [, code, reason] = /^(\d{4})(?: ([\w-]+))?$/.exec(data) ?? [];
      if (code) this.#end(Number(code), reason);
      else this.onmessage?.(new MessageEvent('message', { data }));
      return;
    }
    const part = new Uint8Array(data);
    this.#parts.push(part.subarray(1));
    const size = this.#parts.reduce((all, { length }) => all + length, 0);
    if ((part[0] !== last && part[0] !== more) || size > maxFrame + sealRoom) {
      this.#end(closeCodes.tooLarge);
    } else if (part[0] === last) {
      const frame = concat(...this.#parts.splice(0));
      this.onmessage?.(new MessageEvent('message', { data: frame.buffer }));
    }
  }

  /** The browser says nothing for us when it unloads the page, as it does for a WebSocket. */
  readonly #hide = (): void => {
    if (this.#channel.readyState === 'open') this.#channel.send(String(closeCodes.gone));
    this.#stop();
    this.#peer.close();
  };

  #stop(): void {
    this.#over = true;
    clearTimeout(this.#late);
    globalThis.removeEventListener?.('pagehide', this.#hide);
  }

  /** Ends the connection and says so, as a socket does: later, and once. */
  #end(code: number, reason = ''): void {
    if (this.#over) return;
    this.#stop();
    this.#peer.close();
    if (!this.#answered) this.outcome(false);
    const { onclose } = this;
    queueMicrotask(() => onclose?.(new CloseEvent('close', { code, reason })));
  }
}
