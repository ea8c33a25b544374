import type { Bytes } from '$src/transport/bytes';

/** The way of this page's files, for as long as the call. */
export interface FileWay {
  /** To be called before anything is asked for or offered: from now on frames may come. */
  open(): void;
  send(frame: Bytes): void;
  /** Takes what comes. */
  onframe: ((frame: Bytes) => void) | null;
  /** The way has begun anew: nothing goes on of what was on it. */
  onanew: (() => void) | null;
  /** Has the app save a file; missing where the page does that itself. */
  save?(line: number): void;
  onsaved: ((saved: { line: number; bytes: number; name: string; fault: string }) => void) | null;
}

/** Where a peer connection comes from; see MediaEngine. */
interface Connected {
  readonly connection?: RTCPeerConnection | undefined;
  onconnection?: (() => void) | null;
}

/**
 * A guest's: a data channel of the connection that the call has. It is made on this side without a word, and carries
 * something once the host has offered the same.
 */
export class DataWay implements FileWay {
  onframe: ((frame: Bytes) => void) | null = null;
  onanew: (() => void) | null = null;
  onsaved = null;
  readonly #engine: Connected;
  #on?: RTCPeerConnection;
  #channel?: RTCDataChannel;

  constructor(engine: Connected) {
    this.#engine = engine;
  }

  open(): void {
    this.#engine.onconnection = () => {
      this.#make();
      this.onanew?.();
    };
    this.#make();
  }

  send(frame: Bytes): void {
    // What can't be sent is asked for again on the next connection.
    if (this.#channel?.readyState === 'open') this.#channel.send(frame);
  }

  #make(): void {
    const { connection } = this.#engine;
    if (!connection || connection === this.#on) return;
    this.#on = connection;
    const channel = connection.createDataChannel('files', { negotiated: true, id: 0 });
    channel.binaryType = 'arraybuffer';
    channel.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
      if (typeof data !== 'string') this.onframe?.(new Uint8Array(data));
    };
    this.#channel = channel;
  }
}
