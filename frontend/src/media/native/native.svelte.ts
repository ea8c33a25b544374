import { SvelteMap } from 'svelte/reactivity';
import type { Choice, DeviceFault, Devices, MediaEngine, Picture } from '$src/media/engine';
import { OWN, SCREEN } from '$src/media/engine';
import type { DeviceState, VideoFrame as EncodedPicture } from '$src/transport';
import type { HostMessage } from '$src/transport/transport';
import { PictureDecoder } from './decoder';
import { NativeScreen, type OwnScreenOptions } from './ownScreen.svelte';
import { Screen } from './screen.svelte';

/** The participant of the own picture, as backend/media/capture names it. */
const self = 'host';

export interface NativeEngineOptions {
  /** How microphone and camera begin. */
  muted: boolean;
  cameraOff: boolean;
  choice: Choice;
  /** The app's devices. */
  devices: () => Promise<Devices>;
  /** Asks for a keyframe of a participant. */
  requestKeyframe: (participant: string) => void;
  /** The app's screens. */
  screens: OwnScreenOptions;
}

/**
 * The engine that captures and plays in the app (backend/media/capture). Sound never comes here; pictures come as VP8
 * and are decoded (WebCodecs) and drawn on canvases. What is switched and chosen here goes to the app by the call's
 * messages and by the settings.
 */
export class NativeEngine implements MediaEngine {
  muted = $state(false);
  cameraOff = $state(false);
  level = $state(0);
  path = $state<'connecting' | 'open' | 'interrupted'>('connecting');
  devices = $state.raw<Devices>({ cameras: [], microphones: [], speakers: [] });
  choice = $state.raw<Choice>({ camera: '', microphone: '', speaker: '', sound: '', effect: '' });
  readonly soundBlocked = false;
  readonly screen: NativeScreen;

  #broken = $state.raw<readonly DeviceFault[]>([]);
  readonly #decodes = 'VideoDecoder' in globalThis;
  readonly #screens = new SvelteMap<string, Screen>();
  readonly #decoders = new Map<string, PictureDecoder>();
  readonly #options: NativeEngineOptions;
  #closed = false;

  constructor(options: NativeEngineOptions) {
    this.#options = options;
    this.muted = options.muted;
    this.cameraOff = options.cameraOff;
    this.choice = options.choice;
    this.screen = new NativeScreen(options.screens);
    void this.#list();
  }

  get faults(): readonly DeviceFault[] {
    return this.#decodes ? this.#broken : [...this.#broken, 'engine-unavailable'];
  }

  async setMuted(muted: boolean): Promise<void> {
    this.muted = muted;
    if (muted) this.level = 0;
  }

  async setCameraOff(off: boolean): Promise<void> {
    this.cameraOff = off;
    if (off) this.#darken(OWN);
  }

  async choose(part: Partial<Choice>): Promise<void> {
    this.choice = { ...this.choice, ...part };
  }

  /** The app looks for lost devices by itself; this lists what has come. */
  retry(): Promise<void> {
    return this.#list();
  }

  allowSound(): void {}

  /** Takes a picture from the app. */
  show(frame: EncodedPicture): void {
    const participant = frame.participant === self ? OWN : frame.participant;
    if (this.#closed || !this.#decodes || (participant === OWN && this.cameraOff)) {
      frame.taken();
      return;
    }
    this.#decoder(participant).decode(frame);
  }

  /** Takes the state of the app's devices. */
  hear({ level, faults }: DeviceState): void {
    this.level = this.muted ? 0 : level;
    const changed = faults.join() !== this.#broken.join();
    if (!changed) return;
    this.#broken = faults as DeviceFault[];
    // The others see no picture then, and the last one is none. Pictures that come again ask for a keyframe.
    if (faults.some((fault) => fault.startsWith('camera-'))) this.#darken(OWN);
    void this.#list();
  }

  receive(message: HostMessage): void {
    switch (message.type) {
      case 'roster': {
        this.path = 'open';
        const present = new Set(message.payload.participants.map(({ id }) => id));
        for (const id of [...this.#screens.keys()]) {
          // Of screens the next message tells.
          if (id !== OWN && !id.endsWith(SCREEN) && !present.has(id)) this.#forget(id);
        }
        break;
      }
      case 'joined': {
        const { id, cameraOff } = message.payload.participant;
        if (cameraOff) this.#darken(id);
        break;
      }
      case 'screen': {
        const shared = `${message.payload.participant}${SCREEN}`;
        for (const id of [...this.#screens.keys()]) {
          if (id.endsWith(SCREEN) && id !== shared) this.#forget(id);
        }
        break;
      }
      case 'left':
        this.#forget(message.payload.id);
        break;
    }
  }

  pictureOf(participant: string): Picture | undefined {
    return this.#screens.get(participant)?.picture;
  }

  attach(participant: string, container: HTMLElement): () => void {
    return this.#screen(participant).attach(container);
  }

  close(): void {
    this.#closed = true;
    this.screen.close();
    for (const id of [...this.#screens.keys()]) this.#forget(id);
  }

  async #list(): Promise<void> {
    try {
      this.devices = await this.#options.devices();
    } catch {
      // The app is closing, or has no such engine: nothing to choose from.
    }
  }

  #screen(participant: string): Screen {
    let screen = this.#screens.get(participant);
    if (!screen) {
      screen = new Screen();
      this.#screens.set(participant, screen);
    }
    return screen;
  }

  #decoder(participant: string): PictureDecoder {
    let decoder = this.#decoders.get(participant);
    if (!decoder) {
      const screen = this.#screen(participant);
      decoder = new PictureDecoder({
        onpicture: (picture) => screen.show(picture),
        onneed: () => this.#options.requestKeyframe(participant === OWN ? self : participant),
      });
      this.#decoders.set(participant, decoder);
    }
    return decoder;
  }

  /** Takes the picture away; the next keyframe brings it back. */
  #darken(participant: string): void {
    this.#decoders.get(participant)?.close();
    this.#decoders.delete(participant);
    this.#screens.get(participant)?.clear();
  }

  #forget(participant: string): void {
    this.#darken(participant);
    this.#screens.delete(participant);
  }
}
