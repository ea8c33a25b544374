import type { VideoFrame as EncodedPicture } from '$src/transport';

/** What VideoDecoder (W3C WebCodecs) is used for here. */
export type DecoderLike = Pick<VideoDecoder, 'state' | 'configure' | 'decode' | 'close'>;

export interface PictureDecoderOptions {
  /** Takes a decoded picture, and closes it. */
  onpicture: (picture: VideoFrame) => void;
  /** The picture can't go on without a keyframe. Called at most every `askEvery` milliseconds. */
  onneed: () => void;
  create?: (init: VideoDecoderInit) => DecoderLike;
  chunk?: (init: EncodedVideoChunkInit) => EncodedVideoChunk;
  /** The time in milliseconds. */
  now?: () => number;
}

const askEvery = 300;
/** So many frames without a picture mean that the decoder is stuck; the backend stops at 24. */
const maxWaiting = 16;

/**
 * Decodes one participant's VP8: begins with a keyframe, and after an error of the decoder begins anew with the next
 * one, which it asks for. Every frame it was given is taken exactly once.
 */
export class PictureDecoder {
  #decoder: DecoderLike | undefined;
  #size = '';
  /** Frames given to the decoder and not drawn yet, in order. */
  #waiting: EncodedPicture[] = [];
  #asked = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(private readonly options: PictureDecoderOptions) {}

  decode(frame: EncodedPicture): void {
    if (this.#closed) {
      frame.taken();
      return;
    }
    if (this.#waiting.length >= maxWaiting) this.#break();
    if (!this.#decoder && !frame.keyframe) {
      frame.taken();
      this.#ask();
      return;
    }
    this.#waiting.push(frame);
    try {
      this.#prepare(frame).decode(this.#chunk(frame));
    } catch {
      this.#break();
      this.#ask();
    }
  }

  close(): void {
    this.#closed = true;
    this.#break();
  }

  /** The decoder, configured for what begins with this frame if it is a keyframe. */
  #prepare(frame: EncodedPicture): DecoderLike {
    this.#decoder ??= this.#create();
    if (!frame.keyframe) return this.#decoder;
    const { width, height } = sizeOf(frame.data);
    const size = `${width}×${height}`;
    if (size !== this.#size) {
      this.#size = size;
      this.#decoder.configure({
        codec: 'vp8',
        codedWidth: width,
        codedHeight: height,
        optimizeForLatency: true,
      });
    }
    return this.#decoder;
  }

  #create(): DecoderLike {
    const init: VideoDecoderInit = {
      output: (picture) => {
        if (decoder !== this.#decoder) {
          picture.close();
          return;
        }
        // Frames that show nothing have no picture of their own: the next one stands for them.
        while (this.#waiting[0] && this.#waiting[0].timestamp <= picture.timestamp) {
          this.#waiting.shift()?.taken();
        }
        this.options.onpicture(picture);
      },
      error: () => {
        if (decoder !== this.#decoder) return;
        this.#break();
        this.#ask();
      },
    };
    const decoder = this.options.create?.(init) ?? new VideoDecoder(init);
    return decoder;
  }

  #chunk({ keyframe, timestamp, data }: EncodedPicture): EncodedVideoChunk {
    const init: EncodedVideoChunkInit = { type: keyframe ? 'key' : 'delta', timestamp, data };
    return this.options.chunk?.(init) ?? new EncodedVideoChunk(init);
  }

  /** Gives up what is under way; the next keyframe begins anew. */
  #break(): void {
    const decoder = this.#decoder;
    this.#decoder = undefined;
    this.#size = '';
    if (decoder && decoder.state !== 'closed') decoder.close();
    for (const frame of this.#waiting.splice(0)) frame.taken();
  }

  #ask(): void {
    const now = this.options.now?.() ?? performance.now();
    if (now - this.#asked < askEvery) return;
    this.#asked = now;
    this.options.onneed();
  }
}

/** The size that a VP8 keyframe states (RFC 6386 section 9.1). Throws if it is none. */
export function sizeOf(keyframe: Uint8Array): { width: number; height: number } {
  const [, , , a, b, c, w0, w1, h0, h1] = keyframe;
  if (a !== 0x9d || b !== 0x01 || c !== 0x2a || h1 === undefined) {
    throw new TypeError('not a VP8 keyframe');
  }
  return { width: (w0! | (w1! << 8)) & 0x3fff, height: (h0! | (h1 << 8)) & 0x3fff };
}
