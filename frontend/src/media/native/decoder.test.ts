import { describe, expect, it } from 'vitest';
import type { VideoFrame as EncodedPicture } from '$src/transport';
import { PictureDecoder, sizeOf } from './decoder';

/** A VideoDecoder whose pictures and errors the test decides on. */
class FakeDecoder {
  state: CodecState = 'unconfigured';
  readonly configured: VideoDecoderConfig[] = [];
  readonly chunks: EncodedVideoChunkInit[] = [];
  refuses = false;

  constructor(readonly init: VideoDecoderInit) {}

  configure(config: VideoDecoderConfig): void {
    this.configured.push(config);
    this.state = 'configured';
  }

  decode(chunk: EncodedVideoChunk): void {
    if (this.refuses) throw new DOMException('no', 'DataError');
    this.chunks.push(chunk as unknown as EncodedVideoChunkInit);
  }

  close(): void {
    this.state = 'closed';
  }

  /** Delivers the picture of a chunk. */
  picture(timestamp: number) {
    const closed = { value: false };
    this.init.output({
      timestamp,
      close: () => {
        closed.value = true;
      },
    } as VideoFrame);
    return closed;
  }

  fail(): void {
    this.state = 'closed';
    this.init.error(new DOMException('broken', 'EncodingError'));
  }
}

function keyframe(width = 640, height = 360): Uint8Array<ArrayBuffer> {
  return new Uint8Array([
    0x10,
    0,
    0,
    0x9d,
    0x01,
    0x2a,
    width & 255,
    width >> 8,
    height & 255,
    height >> 8,
    1,
  ]);
}

function lab() {
  const decoders: FakeDecoder[] = [];
  const pictures: number[] = [];
  const taken: number[] = [];
  let needs = 0;
  let time = 1000;
  const decoder = new PictureDecoder({
    onpicture: (picture) => pictures.push(picture.timestamp),
    onneed: () => needs++,
    create: (init) => {
      const made = new FakeDecoder(init);
      decoders.push(made);
      return made;
    },
    chunk: (init) => init as unknown as EncodedVideoChunk,
    now: () => time,
  });
  const send = (timestamp: number, key = false, data = key ? keyframe() : new Uint8Array([1])) => {
    let once = false;
    decoder.decode({
      participant: 'p',
      keyframe: key,
      timestamp,
      data,
      taken: () => {
        expect(once).toBe(false);
        once = true;
        taken.push(timestamp);
      },
    } satisfies EncodedPicture);
  };
  return {
    decoder,
    decoders,
    pictures,
    taken,
    send,
    needs: () => needs,
    wait: (milliseconds: number) => {
      time += milliseconds;
    },
  };
}

describe('the decoder of a picture', () => {
  it('waits for a keyframe, and asks for it no more often than makes sense', () => {
    const { decoders, send, taken, needs, wait } = lab();
    send(1);
    send(2);
    expect(needs()).toBe(1);
    wait(400);
    send(3);
    expect(needs()).toBe(2);
    expect(taken).toEqual([1, 2, 3]);
    expect(decoders).toEqual([]);
  });

  it('decodes in order and takes frames as their pictures come', () => {
    const { decoders, pictures, send, taken, needs } = lab();
    send(1, true);
    send(2);
    send(3);
    const [decoder] = decoders;
    expect(decoder!.configured).toEqual([
      { codec: 'vp8', codedWidth: 640, codedHeight: 360, optimizeForLatency: true },
    ]);
    expect(decoder!.chunks.map(({ type }) => type)).toEqual(['key', 'delta', 'delta']);
    expect(taken).toEqual([]);
    decoder!.picture(1);
    decoder!.picture(3); // frame 2 shows nothing
    expect(pictures).toEqual([1, 3]);
    expect(taken).toEqual([1, 2, 3]);
    expect(needs()).toBe(0);
  });

  it('follows a keyframe of another size, and no other keyframe, with a new configuration', () => {
    const { decoders, send } = lab();
    send(1, true);
    send(2, true);
    send(3, true, keyframe(1280, 720));
    expect(decoders).toHaveLength(1);
    expect(decoders[0]!.configured.map((config) => config.codedWidth)).toEqual([640, 1280]);
  });

  it('begins anew with the next keyframe after an error', () => {
    const { decoders, pictures, send, taken, needs } = lab();
    send(1, true);
    send(2);
    decoders[0]!.fail();
    expect(taken).toEqual([1, 2]);
    expect(needs()).toBe(1);
    send(3);
    expect(needs()).toBe(1);
    send(4, true);
    expect(decoders).toHaveLength(2);
    expect(decoders[1]!.configured).toHaveLength(1);
    // What the broken one still delivers is thrown away.
    expect(decoders[0]!.picture(2).value).toBe(true);
    decoders[1]!.picture(4);
    expect(pictures).toEqual([4]);
    expect(taken).toEqual([1, 2, 3, 4]);
  });

  it('survives a frame that the decoder refuses and a keyframe that is none', () => {
    const { decoders, send, taken, needs, wait } = lab();
    send(1, true);
    decoders[0]!.refuses = true;
    send(2);
    expect(decoders[0]!.state).toBe('closed');
    wait(400);
    send(3, true, new Uint8Array([0x10, 0, 0, 1, 2, 3, 4, 5, 6, 7]));
    expect(taken).toEqual([1, 2, 3]);
    expect(needs()).toBe(2);
  });

  it('gives up a decoder that is stuck', () => {
    const { decoders, send, taken, needs } = lab();
    send(0, true);
    for (let n = 1; n <= 16; n++) send(n);
    expect(decoders[0]!.state).toBe('closed');
    expect(taken).toHaveLength(17);
    expect(needs()).toBe(1);
    send(20, true);
    expect(decoders).toHaveLength(2);
  });

  it('takes everything when it is closed', () => {
    const { decoder, decoders, send, taken, pictures } = lab();
    send(1, true);
    decoder.close();
    decoder.close();
    send(2, true);
    expect(taken).toEqual([1, 2]);
    expect(decoders[0]!.state).toBe('closed');
    decoders[0]!.picture(1);
    expect(pictures).toEqual([]);
  });
});

describe('the size of a keyframe', () => {
  it('is read without the scaling bits', () => {
    expect(sizeOf(keyframe(1280 | 0x4000, 720 | 0x8000))).toEqual({ width: 1280, height: 720 });
  });
  it('is of keyframes only', () => {
    expect(() => sizeOf(new Uint8Array([1, 2, 3]))).toThrow(TypeError);
    expect(() => sizeOf(keyframe().slice(0, 9))).toThrow(TypeError);
  });
});
