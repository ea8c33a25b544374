import type { LinkAddress } from './address';
import { backoff } from './backoff';
import { type Bytes, fromBase64url, fromText, randomToken } from './bytes';
import { codeOf, Fault } from './fault';
import {
  closeCodes,
  type GuestMessage,
  type HostMessage,
  protocolVersion,
  type ToRelayMessage,
} from './generated/signalling';
import { decodeFromHost, decodeFromRelay } from './messages';
import { Channel, openNote } from './sealed';
import type { Socket } from './socket';
import type { FaultCode, Transport, TransportState } from './transport';

const subprotocol = 'porch.v1';
/** How long the relay, and then the host, may take to answer. */
const patience = 10_000; // ms
/** A connection that held this long begins counting tries anew when it is lost. */
const steady = 5_000; // ms
/** How long nothing may be heard before the host is asked for a sign of life, and how long that may take. */
const quiet = 8_000; // ms
/** The same when the browser says that something has changed. */
const hurry = 4_000; // ms

/** What is wrong with a frame of a host that was heard before: its way has damaged it, and the next may be whole. */
const damaged: ReadonlySet<FaultCode> = new Set([
  'frame-truncated',
  'frame-replayed',
  'frame-out-of-order',
  'seal-broken',
]);

/** A part of the browser, so that tests can stand in for it. */
export interface GuestEnvironment {
  readonly location: Pick<Location, 'protocol' | 'host'>;
  readonly local: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> | undefined;
  readonly session: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> | undefined;
  readonly openSocket: (url: string, protocol: string) => Socket;
}

/** A store, or undefined where the browser forbids it. */
function storage(name: 'localStorage' | 'sessionStorage'): Storage | undefined {
  try {
    return window[name];
  } catch {
    return undefined;
  }
}

const browser = (): GuestEnvironment => ({
  location: window.location,
  local: storage('localStorage'),
  session: storage('sessionStorage'),
  openSocket: (url, protocol) => new WebSocket(url, protocol),
});

export interface GuestTransportOptions {
  readonly link: LinkAddress;
  /** Asked at each connection: whether the page still has the peer connection of its seat. */
  readonly resumable?: () => boolean;
  /** Opens what takes a WebSocket's place; a WebSocket if it is not there. */
  readonly openSocket?: () => Socket;
  readonly environment?: GuestEnvironment;
}

/**
 * The way from a guest's page to the host: a WebSocket at the relay that served the page, or what takes its place, and
 * the sealed channel in it.
 * It says hello by itself, with the seat if there is one, and keeps coming back until its state is final.
 */
export class GuestTransport implements Transport {
  onmessage: ((message: HostMessage) => void) | null = null;
  onstate: ((state: TransportState) => void) | null = null;

  #state: TransportState = { phase: 'connecting', attempt: 0 };
  readonly #environment: GuestEnvironment;
  readonly #resumable: () => boolean;
  readonly #link: LinkAddress;
  readonly #device: string;
  #seat: string | undefined;
  #farewell: Bytes | undefined;
  #connection: Connection | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #attempt = 0;
  #openedAt = 0; // Date.now() of the last time the host answered
  #ended = false; // the host said so: closing is final
  #shutDown = false; // the host said that its app closes
  #closed = false; // we said so

  constructor(options: GuestTransportOptions) {
    const environment = options.environment ?? browser();
    const { openSocket = environment.openSocket } = options;
    this.#environment = { ...environment, openSocket };
    this.#resumable = options.resumable ?? (() => false);
    this.#link = options.link;
    this.#device = this.#readDevice();
    this.#seat = this.#readSeat();
  }

  get state(): TransportState {
    return this.#state;
  }

  /** Whether a seat of this link is remembered: then the host is asked for it, and no knock is needed. */
  get hasSeat(): boolean {
    return this.#seat !== undefined;
  }

  connect(): void {
    this.#listen('addEventListener');
    this.#try();
  }

  send(message: GuestMessage): boolean {
    if (this.#state.phase !== 'open') return false;
    this.#connection?.send(message);
    return true;
  }

  /** What only the channel that is open has; see Channel. */
  async binding(): Promise<Bytes | undefined> {
    return this.#connection?.channel?.binding();
  }

  /** Gives up the seat, as when a person leaves. */
  forgetSeat(): void {
    this.#seat = undefined;
    this.#store(() => this.#environment.session?.removeItem(this.#seatKey()));
  }

  retryNow(): void {
    if (this.#closed || this.#connection) return;
    this.#attempt = 0;
    this.#try();
  }

  /** Ends the transport after what was sent has gone out. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#listen('removeEventListener');
    this.#connection?.close();
    this.#connection = undefined;
    this.onmessage = null;
    this.#become({ phase: 'closed' });
    this.onstate = null;
  }

  /** Hears from the browser whatever may have changed the network, or the page's place in it. */
  #listen(method: 'addEventListener' | 'removeEventListener'): void {
    const { document, navigator } = globalThis;
    for (const type of ['online', 'offline', 'pageshow']) globalThis[method]?.(type, this.#wake);
    for (const type of ['visibilitychange', 'resume']) document?.[method](type, this.#wake);
    (navigator as { connection?: EventTarget } | undefined)?.connection?.[method](
      'change',
      this.#wake,
    );
    globalThis[method]?.('pagehide', this.#hide);
  }

  /** Something has changed: a path that is there must show it, and waiting longer for one makes no sense. */
  readonly #wake = (): void => {
    if (this.#connection) this.#connection.probe(hurry);
    else if (this.#timer !== undefined && globalThis.document?.visibilityState !== 'hidden')
      this.retryNow();
  };

  /** The page goes away. If the browser keeps it and shows it again, it comes back as after any loss. */
  readonly #hide = (): void => {
    const connection = this.#connection;
    if (!connection) return;
    this.#connection = undefined;
    connection.close(this.#farewell);
    this.#lose({ cause: 'network' });
  };

  #try(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#ended = false;
    this.#shutDown = false;
    if (!this.#isTrying()) this.#become({ phase: 'connecting', attempt: 0 });
    const { protocol, host } = this.#environment.location;
    const url = `${protocol === 'http:' ? 'ws' : 'wss'}://${host}/socket`;
    const connection: Connection = new Connection(
      this.#environment.openSocket(url, subprotocol),
      this.#link,
      () => ({
        type: 'hello',
        payload: {
          version: protocolVersion,
          secret: this.#link.secret,
          device: this.#device,
          takes: ['simulcast', 'opens', 'outside', 'door'],
          ...(this.#seat && { seat: this.#seat, ...(this.#resumable() && { resume: true }) }),
        },
      }),
      (message) => this.#connection === connection && this.#receive(message),
      (loss) => {
        if (this.#connection !== connection) return;
        this.#connection = undefined;
        this.#lose(loss);
      },
    );
    this.#connection = connection;
  }

  /** Whether what is shown already says that trying goes on: it stays until there is something new to say. */
  #isTrying(): boolean {
    const state = this.#state;
    return (
      (state.phase === 'connecting' && state.attempt > 0) ||
      state.phase === 'hostAway' ||
      (state.phase === 'unavailable' && state.reason === 'unknown')
    );
  }

  #receive(message: HostMessage): void {
    if (this.#state.phase !== 'open') {
      this.#openedAt = Date.now();
      this.#become({ phase: 'open' });
    }
    if (message.type === 'admitted') {
      const { seat, farewell } = message.payload;
      this.#keepSeat(seat);
      this.#farewell = farewell === undefined ? farewell : fromBase64url(farewell, 16);
      if (farewell) this.send({ type: 'seated', payload: {} });
    }
    if (message.type === 'ended') {
      const { reason, seat } = message.payload;
      this.#shutDown = reason === 'shutdown';
      this.#ended = !this.#shutDown && reason !== 'seat-gone';
      if (seat) this.#keepSeat(seat);
      else if (!this.#shutDown && reason !== 'replaced') this.forgetSeat();
    }
    this.onmessage?.(message);
  }

  #lose(loss: Loss): void {
    if (this.#ended) {
      this.#become({ phase: 'closed' });
      return;
    }
    const now = Date.now();
    if (this.#state.phase === 'open' && now - this.#openedAt > steady) this.#attempt = 0;
    this.#attempt++;
    switch (loss.cause) {
      case 'refused':
        this.#become({ phase: 'refused', code: loss.code });
        return;
      case 'spent':
      case 'removed':
        this.forgetSeat();
        this.#become({ phase: 'unavailable', reason: loss.cause });
        return;
      case 'host':
        this.#hostAway(now);
        break;
      case 'network':
        if (this.#shutDown) this.#hostAway(now);
        else
          this.#become({
            phase: 'connecting',
            attempt: this.#attempt,
            ...(loss.tooFast && { tooFast: true }),
          });
        break;
    }
    this.#timer = setTimeout(() => this.#try(), backoff(this.#attempt));
  }

  #hostAway(now: number): void {
    if (this.#openedAt === 0) {
      this.#become({ phase: 'unavailable', reason: 'unknown' });
      return;
    }
    const since = this.#state.phase === 'hostAway' ? this.#state.since : now;
    this.#become({ phase: 'hostAway', since, attempt: this.#attempt });
  }

  #become(state: TransportState): void {
    this.#state = state;
    this.onstate?.(state);
  }

  #seatKey(): string {
    return `porch.seat.${this.#link.id}`;
  }

  #keepSeat(seat: string): void {
    this.#seat = seat;
    this.#store(() => this.#environment.session?.setItem(this.#seatKey(), seat));
  }

  #readSeat(): string | undefined {
    const seat = this.#store(() => this.#environment.session?.getItem(this.#seatKey()));
    return seat && fromBase64url(seat, 16) ? seat : undefined;
  }

  #readDevice(): string {
    const kept = this.#store(() => this.#environment.local?.getItem('porch.device'));
    if (kept && fromBase64url(kept, 16)) return kept;
    const device = randomToken();
    this.#store(() => this.#environment.local?.setItem('porch.device', device));
    return device;
  }

  /** Storage may throw: full, or forbidden in private windows. Memory serves as well until the page is gone. */
  #store<T>(use: () => T): T | undefined {
    try {
      return use();
    } catch {
      return undefined;
    }
  }
}

/** Why a connection ended. */
type Loss =
  | { readonly cause: 'network'; readonly tooFast?: boolean }
  | { readonly cause: 'host' | 'spent' | 'removed' }
  | { readonly cause: 'refused'; readonly code: FaultCode };

/** One socket, from open to loss. */
class Connection {
  channel: Channel | undefined;
  #received = Promise.resolve();
  #sent = Promise.resolve();
  #greeted = false; // the host has answered
  #unopened = 0; // messages that wait to be read, none of which has been opened yet
  #over = false;
  #pings = false; // the host answers them
  #probing = false;
  #patience: ReturnType<typeof setTimeout>;

  constructor(
    private readonly socket: Socket,
    private readonly link: LinkAddress,
    private readonly hello: () => GuestMessage,
    private readonly onmessage: (message: HostMessage) => void,
    private readonly onloss: (loss: Loss) => void,
  ) {
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
      const open: ToRelayMessage = {
        type: 'open',
        payload: { version: protocolVersion, link: link.id },
      };
      socket.send(JSON.stringify(open));
    };
    // WebCrypto answers later: one after the other keeps the order. Once the host has been heard, a frame is opened as
    // it comes, unless one before it has not been begun, and waits only for its turn to be read: many come at once
    // when the guest is let in.
    socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
      let opened: Promise<Bytes> | undefined;
      if (this.#greeted && this.#unopened === 0 && typeof data !== 'string') {
        opened = this.channel!.open(new Uint8Array(data));
        opened.catch(() => {}); // it is thrown again in its turn
      } else {
        this.#unopened++;
      }
      this.#received = this.#received
        .then(async () => {
          if (this.#over) return;
          if (opened) this.#take(await opened);
          else await this.#receive(data).finally(() => this.#unopened--);
        })
        .catch((error) => {
          const code = codeOf(error);
          const mended = this.#greeted && damaged.has(code);
          this.#lose(mended ? { cause: 'network' } : { cause: 'refused', code });
        });
    };
    socket.onclose = ({ code, reason }) => {
      this.#received = this.#received.then(() => this.#lose(lossOf(code, reason, this.#greeted)));
    };
    this.#patience = setTimeout(() => this.#lose({ cause: 'network' }), patience);
  }

  send(message: GuestMessage): void {
    const plain = fromText(JSON.stringify(message));
    this.#sent = this.#sent
      .then(async () => {
        const frame = await this.channel!.seal(plain);
        if (this.socket.readyState === this.socket.OPEN) this.socket.send(frame);
      })
      .catch((error) => this.#lose({ cause: 'refused', code: codeOf(error) }));
  }

  /**
   * Closes the socket once what was sent has gone out; nothing is reported any more. With a farewell, which is said as it
   * is, at once: sealing takes time that a page that goes away does not have.
   */
  close(farewell?: Bytes): void {
    this.#end();
    if (farewell && this.socket.readyState === this.socket.OPEN) this.socket.send(farewell);
    if (farewell) this.socket.close(closeCodes.done);
    else void this.#sent.then(() => this.socket.close(closeCodes.done));
  }

  /** Asks the host for a sign of life; the path is lost when nothing comes within so many milliseconds. */
  probe(within: number): void {
    if (!this.#pings || this.#over) return;
    if (!this.#probing) this.send({ type: 'ping', payload: {} });
    this.#probing = true;
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => this.#lose({ cause: 'network' }), within);
  }

  #end(): void {
    this.#over = true;
    clearTimeout(this.#patience);
  }

  #lose(loss: Loss): void {
    if (this.#over) return;
    this.#end();
    this.socket.close();
    this.onloss(loss);
  }

  async #receive(data: string | ArrayBuffer): Promise<void> {
    if (this.channel) {
      if (typeof data === 'string') throw new Fault('message-unexpected');
      this.#take(await this.channel.open(new Uint8Array(data)));
    } else {
      if (typeof data !== 'string') throw new Fault('message-unexpected');
      await this.#answer(data);
    }
  }

  /** The relay's answer. */
  async #answer(text: string): Promise<void> {
    const answer = decodeFromRelay(text);
    if (!answer) throw new Fault('message-unknown');
    if (answer.type === 'unavailable') {
      const note = fromBase64url(answer.payload.note, 64);
      const secret = fromBase64url(this.link.secret, 16);
      const reason = note && secret && (await openNote(secret, this.link.id, note));
      this.#lose({ cause: reason === 'spent' || reason === 'removed' ? reason : 'host' });
      return;
    }
    const publicKey = fromBase64url(answer.payload.publicKey, 65);
    if (!publicKey) throw new Fault('key-mismatch');
    const channel = await Channel.open(publicKey, this.link.id);
    if (this.#over) return;
    this.channel = channel;
    this.socket.send(channel.opening);
    this.send(this.hello());
  }

  /** What was in a frame of the host. */
  #take(plain: Bytes): void {
    if (this.#over) return;
    this.#greeted = true;
    this.#probing = false;
    clearTimeout(this.#patience);
    const message = decodeFromHost(decodeText(plain));
    if (message?.type === 'welcome') this.#pings = !!message.payload.pings;
    if (this.#pings) this.#patience = setTimeout(() => this.probe(quiet), quiet);
    if (!message || message.type === 'pong') return;
    if (speaksAnother(message)) throw new Fault('version-unsupported');
    try {
      this.onmessage(message);
    } catch (error) {
      reportError(error); // the page's own: the channel is sound
    }
  }
}

function decodeText(bytes: Bytes): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Fault('message-malformed');
  }
}

/** Whether the host speaks another version of the protocol, or says that we do. */
const speaksAnother = ({ type, payload }: HostMessage): boolean =>
  (type === 'welcome' && payload.version !== protocolVersion) ||
  (type === 'fault' && payload.code === 'version-unsupported');

/** What a close code, and the fault code that is its reason, mean to a guest, by whether the host had answered. */
function lossOf(code: number, reason: string, greeted: boolean): Loss {
  if (reason === 'version-unsupported') return { cause: 'refused', code: reason };
  switch (code) {
    case closeCodes.hostGone:
    case closeCodes.unavailable:
      return { cause: 'host' };
    case closeCodes.tooLarge:
      return { cause: 'refused', code: 'frame-too-large' };
    case closeCodes.refused:
      // Before its first answer the host has dropped us unseen: this is not an address of its.
      return greeted ? { cause: 'refused', code: 'relay-refused' } : { cause: 'host' };
    case closeCodes.tooFast:
      return { cause: 'network', tooFast: true };
    case closeCodes.done:
      return { cause: greeted ? 'network' : 'host' };
    default:
      return { cause: 'network' };
  }
}
