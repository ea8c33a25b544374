import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { OWN } from '$src/media/engine';
import type { VideoFrame as EncodedPicture } from '$src/transport';
import type { Participant } from '$src/transport/transport';
import { NativeEngine } from './native.svelte';

/** A VideoDecoder that has each picture at once. */
class InstantDecoder {
  state: CodecState = 'unconfigured';
  constructor(private readonly init: VideoDecoderInit) {}
  configure(): void {
    this.state = 'configured';
  }
  decode({ timestamp }: EncodedVideoChunk): void {
    this.init.output({
      timestamp,
      displayWidth: 640,
      displayHeight: 360,
      close() {},
    } as VideoFrame);
  }
  close(): void {
    this.state = 'closed';
  }
}

beforeEach(() => {
  vi.stubGlobal('VideoDecoder', InstantDecoder);
  vi.stubGlobal(
    'EncodedVideoChunk',
    class {
      constructor(init: EncodedVideoChunkInit) {
        Object.assign(this, init);
      }
    },
  );
  vi.stubGlobal('requestAnimationFrame', () => 1);
});
afterEach(() => vi.unstubAllGlobals());

function lab() {
  const asked: string[] = [];
  const engine = new NativeEngine({
    muted: false,
    cameraOff: false,
    choice: { camera: '', microphone: '', speaker: '', sound: '', effect: '' },
    devices: async () => ({
      cameras: [{ id: 'c', name: 'Camera' }],
      microphones: [],
      speakers: [],
    }),
    requestKeyframe: (participant) => asked.push(participant),
    screens: { list: () => {}, share: () => {} },
  });
  let taken = 0;
  const show = (participant: string, keyframe = true) =>
    engine.show({
      participant,
      keyframe,
      timestamp: 0,
      data: new Uint8Array([0x10, 0, 0, 0x9d, 0x01, 0x2a, 128, 2, 104, 1]),
      taken: () => taken++,
    } satisfies EncodedPicture);
  return { engine, asked, show, taken: () => taken };
}

const person = (id: string, cameraOff = false): Participant => ({
  id,
  name: id,
  joinedAt: 0,
  cameraOff,
});

it('draws a shared screen beside its owner’s camera, until it is shared no more', () => {
  const { engine, show } = lab();
  show('ada');
  show('ada.screen');
  expect(engine.pictureOf('ada.screen')).toBeDefined();
  engine.receive({ type: 'screen', payload: { participant: 'ada' } });
  expect(engine.pictureOf('ada.screen')).toBeDefined();
  engine.receive({ type: 'screen', payload: { participant: '' } });
  expect(engine.pictureOf('ada.screen')).toBeUndefined();
  expect(engine.pictureOf('ada')).toBeDefined();
});

describe('the native engine', () => {
  it('shows the own picture as OWN and the others by their ids', () => {
    const { engine, show, taken } = lab();
    expect(engine.pictureOf(OWN)).toBeUndefined();
    show('host');
    show('p1');
    expect(engine.pictureOf(OWN)).toEqual({ ratio: 640 / 360 });
    expect(engine.pictureOf('p1')).toEqual({ ratio: 640 / 360 });
    expect(engine.pictureOf('host')).toBeUndefined();
    expect(taken()).toBe(2);
  });

  it('asks for keyframes by the names that the app knows', () => {
    const { asked, show } = lab();
    show('host', false);
    show('p1', false);
    expect(asked).toEqual(['host', 'p1']);
  });

  it('goes dark with the camera, here and there, and comes back with a keyframe', async () => {
    const { engine, show, taken } = lab();
    show('host');
    show('p1');
    await engine.setCameraOff(true);
    expect(engine.cameraOff).toBe(true);
    show('host');
    expect(engine.pictureOf(OWN)).toBeUndefined();
    engine.receive({ type: 'joined', payload: { participant: person('p1', true) } });
    expect(engine.pictureOf('p1')).toBeUndefined();
    await engine.setCameraOff(false);
    show('host');
    show('p1');
    expect(engine.pictureOf(OWN)).toBeDefined();
    expect(engine.pictureOf('p1')).toBeDefined();
    expect(taken()).toBe(5);
  });

  it('goes dark with a camera that is lost, stays switched on, and comes back with it', () => {
    const { engine, show, asked } = lab();
    show('host');
    engine.hear({ level: 0, faults: ['camera-lost'] });
    expect(engine.pictureOf(OWN)).toBeUndefined();
    expect(engine.cameraOff).toBe(false);
    engine.hear({ level: 0, faults: ['camera-lost', 'microphone-lost'] });
    expect(engine.muted).toBe(false);
    expect(engine.faults).toEqual(['camera-lost', 'microphone-lost']);
    engine.hear({ level: 0, faults: [] });
    show('host', false);
    expect(asked).toEqual(['host']);
    show('host');
    expect(engine.pictureOf(OWN)).toBeDefined();
    engine.hear({ level: 0, faults: ['speaker-lost'] });
    expect(engine.pictureOf(OWN)).toBeDefined();
  });

  it('forgets who has left', () => {
    const { engine, show } = lab();
    show('p1');
    show('p2');
    show('host');
    engine.receive({ type: 'left', payload: { id: 'p1' } });
    expect(engine.pictureOf('p1')).toBeUndefined();
    engine.receive({
      type: 'roster',
      payload: { you: 'host', participants: [person('host')], chat: [] },
    });
    expect(engine.path).toBe('open');
    expect(engine.pictureOf('p2')).toBeUndefined();
    expect(engine.pictureOf(OWN)).toBeDefined();
  });

  it('tells how the devices are', async () => {
    const { engine } = lab();
    await vi.waitFor(() => expect(engine.devices.cameras).toHaveLength(1));
    engine.hear({ level: 0.4, faults: ['camera-lost'] });
    expect(engine.level).toBe(0.4);
    expect(engine.faults).toEqual(['camera-lost']);
    await engine.setMuted(true);
    engine.hear({ level: 0.4, faults: [] });
    expect(engine.level).toBe(0);
    expect(engine.faults).toEqual([]);
    await engine.choose({ camera: 'c' });
    expect(engine.choice).toEqual({
      camera: 'c',
      microphone: '',
      speaker: '',
      sound: '',
      effect: '',
    });
  });

  it('says so when the webview can’t decode', () => {
    vi.unstubAllGlobals();
    const { engine, show, taken } = lab();
    expect(engine.faults).toEqual(['engine-unavailable']);
    show('p1');
    expect(taken()).toBe(1);
  });

  it('takes what comes after its end', () => {
    const { engine, show, taken } = lab();
    engine.close();
    engine.close();
    show('p1');
    expect(taken()).toBe(1);
    expect(engine.pictureOf('p1')).toBeUndefined();
  });
});
