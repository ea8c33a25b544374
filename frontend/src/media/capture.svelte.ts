import type { Choice, DeviceFault, Devices } from '$src/call/engine';
import { faultOf } from './faults';
import { Meter } from './meter.svelte';
import { hardware, type Source } from './source';

type Kind = 'audio' | 'video';
const deviceOf = { audio: 'microphone', video: 'camera' } as const;

/**
 * The own microphone and camera: opened once for the preview and kept for the
 * call. A muted microphone stays open and sends silence, so that unmuting is
 * at once; a camera that is off is let go, so that its light goes out.
 */
export class Capture {
  muted = $state(false);
  cameraOff = $state(false);
  devices = $state.raw<Devices>({ cameras: [], microphones: [], speakers: [] });
  choice = $state.raw<Choice>({ camera: '', microphone: '', speaker: '' });
  /** Asking for devices: the browser may be showing its question. */
  asking = $state(false);
  readonly meter = new Meter();

  #tracks = $state.raw<Partial<Record<Kind, MediaStreamTrack>>>({});
  #faults = $state.raw<Partial<Record<Kind, DeviceFault>>>({});
  readonly #source: Source;
  readonly #unwatch: () => void;
  #closed = false;
  #turn: Promise<unknown> = Promise.resolve();

  /** Called whenever audio or video is another track. */
  onchange: (() => void) | null = null;

  constructor(source: Source = hardware, start: { muted?: boolean; cameraOff?: boolean } = {}) {
    this.#source = source;
    this.muted = start.muted ?? false;
    this.cameraOff = start.cameraOff ?? false;
    this.#unwatch = source.watch(() => void this.#deviceschanged());
  }

  get audio(): MediaStreamTrack | undefined {
    return this.#tracks.audio;
  }

  get video(): MediaStreamTrack | undefined {
    return this.#tracks.video;
  }

  get faults(): DeviceFault[] {
    return [this.#faults.video, this.#faults.audio].filter((fault) => fault !== undefined);
  }

  /** Opens what is wanted and not open: with one question where the browser asks. */
  open(): Promise<void> {
    this.asking = true; // from now on: who asks in the same moment is told what is wanted
    return this.#serially(() => this.#open({ audio: true, video: !this.cameraOff }));
  }

  /** Whether nothing of the microphone is to be heard. Before the browser's question is answered: what is wanted. */
  get silent(): boolean {
    return this.muted || (!this.#tracks.audio && !this.asking);
  }

  /** Whether nothing of the camera is to be seen; likewise. */
  get dark(): boolean {
    return this.cameraOff || (!this.#tracks.video && !this.asking);
  }

  async setMuted(muted: boolean): Promise<void> {
    if (this.#tracks.audio) this.#tracks.audio.enabled = !muted;
    this.muted = muted;
    if (!muted && !this.#tracks.audio) await this.#serially(() => this.#open({ audio: true }));
  }

  /** Resolves when the camera is off, or on, or has failed (faults says why). */
  setCameraOff(off: boolean): Promise<void> {
    return this.#serially(async () => {
      if (off) {
        this.#put('video', undefined);
        this.#faults = { ...this.#faults, video: undefined };
        this.cameraOff = true;
        return;
      }
      this.cameraOff = false;
      await this.#open({ video: true });
    });
  }

  /** Takes other devices. The old one stays when the new one can't be opened. */
  choose(part: Partial<Choice>): Promise<void> {
    return this.#serially(async () => {
      const before = this.choice;
      this.choice = { ...before, ...part };
      const audio = this.choice.microphone !== before.microphone;
      const video = this.choice.camera !== before.camera && !this.cameraOff;
      if (audio || video) await this.#replace({ audio, video });
    });
  }

  /** Lets go of both devices, so that their lights go out; open takes them again. */
  release(): Promise<void> {
    return this.#serially(async () => {
      this.#put('audio', undefined);
      this.#put('video', undefined);
      this.#faults = {};
    });
  }

  close(): void {
    this.#closed = true;
    this.#unwatch();
    this.#put('audio', undefined);
    this.#put('video', undefined);
    this.meter.close();
  }

  // One change at a time: two questions to the same device get in each other's way.
  #serially<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  async #open(wanted: { audio?: boolean; video?: boolean }): Promise<void> {
    await this.#replace({
      audio: !!wanted.audio && !this.#tracks.audio,
      video: !!wanted.video && !this.#tracks.video,
    });
  }

  async #replace({ audio, video }: { audio: boolean; video: boolean }): Promise<void> {
    if ((!audio && !video) || this.#closed) {
      this.asking = false;
      return;
    }
    this.asking = true;
    try {
      if (audio && video && (await this.#take(['audio', 'video']))) return;
      // One by one: a missing camera must not cost the microphone.
      if (audio) await this.#take(['audio']);
      if (video) await this.#take(['video']);
    } finally {
      this.asking = false;
      await this.#list();
    }
  }

  async #take(kinds: Kind[]): Promise<boolean> {
    try {
      const stream = await this.#source.open(
        { audio: kinds.includes('audio'), video: kinds.includes('video') },
        this.choice,
      );
      for (const kind of kinds) {
        const track = stream.getTracks().find((candidate) => candidate.kind === kind);
        this.#put(kind, track);
      }
      this.#faults = { ...this.#faults, ...Object.fromEntries(kinds.map((k) => [k, undefined])) };
      return true;
    } catch (error) {
      if (kinds.length > 1) return false;
      const kind = kinds[0]!;
      const device = deviceOf[kind];
      const fault = faultOf(device, error);
      if (fault.endsWith('-missing') && this.choice[device]) {
        // The chosen one has gone: the default is better than none.
        this.choice = { ...this.choice, [device]: '' };
        return this.#take(kinds);
      }
      this.#faults = { ...this.#faults, [kind]: fault };
      return false;
    }
  }

  #put(kind: Kind, track: MediaStreamTrack | undefined): void {
    const old = this.#tracks[kind];
    if (old) {
      old.onended = null;
      old.stop();
    }
    if (track && this.#closed) {
      track.stop();
      return;
    }
    this.#tracks = { ...this.#tracks, [kind]: track };
    if (kind === 'audio') {
      if (track) track.enabled = !this.muted;
      this.meter.follow(track);
    } else if (track) {
      track.contentHint = 'motion';
    }
    if (track) {
      // Only for what the browser ends: stop() does not fire it.
      track.onended = () => {
        if (this.#tracks[kind] !== track) return;
        this.#put(kind, undefined);
        this.#faults = { ...this.#faults, [kind]: `${deviceOf[kind]}-lost` };
        void this.#list();
      };
    }
    this.onchange?.();
  }

  async #deviceschanged(): Promise<void> {
    await this.#list();
    // What was refused, missing, lost or busy may be there now; a browser that
    // would have to ask again does not, because nobody pressed anything.
    if (this.faults.some((fault) => /-(missing|lost|refused)$/.test(fault))) await this.open();
  }

  async #list(): Promise<void> {
    this.devices = await this.#source.devices();
  }
}
