import { type Bytes, concat } from './bytes';
import { codeOf, Fault } from './fault';
import type { Form, GuestMessage, HostMessage } from './generated/signalling';
import { decodeFromHost, hasForm } from './messages';
import type { Transport, TransportState } from './transport';

const subprotocol = 'porch.window.v1';
const closeNormal = 1000;
const closeTokenRefused = 4403;
/** The backend ended it, for the fault that is the close frame's reason. */
const closeFault = 4400;
const headerSize = 12;
/** The first byte of a binary message that carries a frame of a file. */
const fileVersion = 2;
/** Frames of a source after which the backend hears how many were taken; it asks for every fourth at least. */
const takenEvery = 2;

/** One encoded picture of the native engine: VP8 (RFC 6386). */
export interface VideoFrame {
  readonly participant: string;
  readonly keyframe: boolean;
  /** Microseconds; the zero point is the source's own. */
  readonly timestamp: number;
  readonly data: Uint8Array<ArrayBuffer>;
  /** To be called once the frame is drawn or thrown away: the backend sends no more than the window takes. */
  taken(): void;
}

/** How the native engine's devices are. */
export interface DeviceState {
  /** The microphone's level, 0 to 1, 0 while muted. */
  readonly level: number;
  /** Fault codes of the devices that can't be used now. */
  readonly faults: readonly string[];
}

/** The screens that the native engine can share. */
export interface Screens {
  readonly screens: readonly { id: string; name: string; width: number; height: number }[];
  /** Why there are none. */
  readonly fault: string;
}

/** Whether the native engine has a screen open, and why it could not be opened. */
export interface OwnScreenState {
  readonly open: boolean;
  readonly fault: string;
}

/** How saving a file goes; name or fault with the last one. */
export interface FileSaved {
  readonly line: number;
  readonly bytes: number;
  readonly name: string;
  readonly fault: string;
}

export interface LoopbackOptions {
  /** From the backend's ticket: ws://127.0.0.1:PORT/window. */
  readonly url: string;
  readonly token: string;
  readonly openSocket?: (url: string, protocol: string) => WebSocket;
}

/**
 * The way from the host's window to its backend, as backend/windowsocket describes it: the messages of a guest in the
 * clear, on this machine, and the native engine's pictures. A ticket works once, so nothing is retried: ask the backend
 * for another.
 */
export class LoopbackTransport implements Transport {
  onmessage: ((message: HostMessage) => void) | null = null;
  onstate: ((state: TransportState) => void) | null = null;
  onframe: ((frame: VideoFrame) => void) | null = null;
  ondevices: ((state: DeviceState) => void) | null = null;
  onscreens: ((screens: Screens) => void) | null = null;
  onownscreen: ((state: OwnScreenState) => void) | null = null;
  onfile: ((frame: Bytes) => void) | null = null;
  onsaved: ((saved: FileSaved) => void) | null = null;

  #state: TransportState = { phase: 'connecting', attempt: 0 };
  #socket: WebSocket | undefined;
  #sources = new Map<number, Source>();

  constructor(private readonly options: LoopbackOptions) {}

  get state(): TransportState {
    return this.#state;
  }

  connect(): void {
    const { url, token, openSocket } = this.options;
    const socket = openSocket?.(url, subprotocol) ?? new WebSocket(url, subprotocol);
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
      this.#write('enter', { token });
      this.#become({ phase: 'open' });
    };
    socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
      try {
        if (typeof data === 'string') this.#receive(data);
        else this.#frame(data);
      } catch (error) {
        this.#end({ phase: 'refused', code: codeOf(error) });
      }
    };
    socket.onclose = ({ code, reason }) => this.#end(endOf(code, reason));
  }

  send(message: GuestMessage): boolean {
    if (this.#state.phase !== 'open') return false;
    this.#write(message.type, message.payload);
    return true;
  }

  /** Says that a participant's picture can't go on without a keyframe. */
  requestKeyframe(participant: string): void {
    if (this.#state.phase === 'open') this.#write('keyframeWanted', { participant });
  }

  /** Asks for the screens; onscreens gets them. */
  listScreens(): void {
    if (this.#state.phase === 'open') this.#write('screensWanted', {});
  }

  /** Opens a screen, or closes it (''); onownscreen hears of it. */
  shareScreen(id: string): void {
    if (this.#state.phase === 'open') this.#write('shareScreen', { id });
  }

  /** Sends a frame of a file. */
  sendFile(frame: Bytes): void {
    if (this.#state.phase === 'open') this.#socket?.send(concat(Uint8Array.of(fileVersion), frame));
  }

  /** Has the file of a chat line saved on this computer; onsaved hears how that goes. */
  saveFile(line: number): void {
    if (this.#state.phase === 'open') this.#write('saveFile', { line });
  }

  /** Does nothing: this transport does not try again. */
  retryNow(): void {}

  close(): void {
    this.onmessage = null;
    this.onframe = null;
    this.ondevices = null;
    this.onscreens = null;
    this.onownscreen = null;
    this.onfile = null;
    this.onsaved = null;
    this.#end({ phase: 'closed' });
    this.onstate = null;
  }

  #write(type: string, payload: unknown): void {
    this.#socket?.send(JSON.stringify({ type, payload }));
  }

  #receive(text: string): void {
    const source = readSource(text);
    if (source) {
      this.#sources.set(source.index, { participant: source.participant, taken: 0, told: 0 });
      return;
    }
    const devices = readDevices(text);
    if (devices) {
      this.ondevices?.(devices);
      return;
    }
    const screens = readOwn<Screens>(text, 'screens', {
      screens: [{ id: 's', name: 's', width: 'n', height: 'n' }],
      fault: 's',
    });
    if (screens) {
      this.onscreens?.(screens);
      return;
    }
    const own = readOwn<OwnScreenState>(text, 'ownScreen', { open: 'b', fault: 's' });
    if (own) {
      this.onownscreen?.(own);
      return;
    }
    const saved = readOwn<FileSaved>(text, 'fileSaved', {
      line: 'n',
      bytes: 'n',
      name: 's',
      fault: 's',
    });
    if (saved) {
      this.onsaved?.(saved);
      return;
    }
    const message = decodeFromHost(text);
    if (!message) return;
    try {
      this.onmessage?.(message);
    } catch (error) {
      reportError(error);
    }
  }

  #frame(bytes: ArrayBuffer): void {
    const header = new DataView(bytes);
    if (bytes.byteLength > 1 && header.getUint8(0) === fileVersion) {
      this.onfile?.(new Uint8Array(bytes, 1));
      return;
    }
    if (bytes.byteLength <= headerSize) throw new Fault('frame-truncated');
    if (header.getUint8(0) !== 1) throw new Fault('version-unsupported');
    const index = header.getUint16(2);
    const source = this.#sources.get(index);
    if (!source) throw new Fault('frame-out-of-order');
    let taken = false;
    const frame: VideoFrame = {
      participant: source.participant,
      keyframe: (header.getUint8(1) & 1) === 1,
      timestamp: Number(header.getBigUint64(4)),
      data: new Uint8Array(bytes, headerSize),
      taken: () => {
        if (taken) return;
        taken = true;
        source.taken++;
        if (source.taken - source.told < takenEvery || this.#state.phase !== 'open') return;
        source.told = source.taken;
        this.#write('taken', { index, frames: source.taken });
      },
    };
    if (this.onframe) this.onframe(frame);
    else frame.taken();
  }

  #end(state: TransportState): void {
    if (this.#state.phase === 'closed' || this.#state.phase === 'refused') return;
    this.#socket?.close();
    this.#become(state);
  }

  #become(state: TransportState): void {
    this.#state = state;
    this.onstate?.(state);
  }
}

/** What a close frame means. A socket that broke may be opened anew, with another ticket. */
function endOf(code: number, reason: string): TransportState {
  if (code === closeNormal) return { phase: 'closed' };
  if (code === closeTokenRefused) return { phase: 'refused', code: 'token-refused' };
  return { phase: 'refused', code: code === closeFault ? reason : 'connect-failed' };
}

interface Source {
  readonly participant: string;
  taken: number;
  told: number;
}

/** One of the messages that exist only here: which participant an index stands for. */
const readSource = (text: string) =>
  readOwn<{ index: number; participant: string }>(text, 'source', { index: 'n', participant: 's' });

/** Another one: how the native engine's devices are. The level comes in percent. */
function readDevices(text: string): DeviceState | undefined {
  const read = readOwn<DeviceState>(text, 'devices', { level: 'n', faults: ['s'] });
  return read && { ...read, level: read.level / 100 };
}

function readOwn<P>(text: string, type: string, form: Form): P | undefined {
  if (!text.startsWith(`{"type":"${type}"`)) return undefined;
  const payload: unknown = (JSON.parse(text) as { payload?: unknown }).payload;
  if (!hasForm(form, payload)) throw new Fault('message-invalid');
  return payload as P;
}
