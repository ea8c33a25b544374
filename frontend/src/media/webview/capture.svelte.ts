import type { Choice, DeviceFault, Devices } from '$src/media/engine';
import { counts, type Device, type Event, next, off } from './device';
import type { EffectWord } from './effects/words';
import type { Over, Worn } from './effects/worn';
import { whyOf } from './faults';
import { Meter } from './meter.svelte';
import { hardware, processing, type Source } from './source';

type Kind = 'audio' | 'video';
const kinds: readonly Kind[] = ['audio', 'video'];
const deviceOf = { audio: 'microphone', video: 'camera' } as const;
const listOf = { audio: 'microphones', video: 'cameras' } as const;

/** What the rest of a page has to do with the own devices. */
export interface Own {
  /** What the person wants. */
  readonly muted: boolean;
  readonly cameraOff: boolean;
  readonly choice: Choice;
  /** What is. */
  readonly audio: MediaStreamTrack | undefined;
  readonly video: MediaStreamTrack | undefined;
  readonly devices: Devices;
  readonly faults: readonly DeviceFault[];
  /** Of the microphone, 0 to 1. */
  readonly level: number;
  /** Why an effect has ended by itself; '' if none has since the last choice. */
  readonly effectOver: Over | '';
  /** The microphone is on, and nothing at all comes from it. */
  readonly dead: boolean;
  /** The person has asked for devices: the browser may be showing its question. */
  readonly asking: boolean;
  /** Whether nothing of the microphone is to be heard. Before the browser's question is answered: what is wanted. */
  readonly silent: boolean;
  /** Whether nothing of the camera is to be seen; likewise. */
  readonly dark: boolean;

  /** Called whenever audio or video is another track. */
  onchange: (() => void) | null;
  /** Called whenever the list of devices was made anew. */
  onlist: (() => void) | null;

  open(): Promise<void>;
  setMuted(muted: boolean): Promise<void>;
  /** Resolves when the camera is off, or on, or has failed (faults says why). */
  setCameraOff(off: boolean): Promise<void>;
  choose(part: Partial<Choice>): Promise<void>;
  release(): void;
  /** Lets the level stay as it is for so many milliseconds; see Meter. */
  rest(milliseconds: number): void;
  close(): void;
}

/**
 * The own microphone and camera: opened once for the preview and kept for the
 * call. A muted microphone stays open and sends silence, so that unmuting is
 * at once; a camera that is off is let go, so that its light goes out. What
 * becomes of a device is decided by next, and done here.
 */
export class Capture implements Own {
  muted = $state(false);
  cameraOff = $state(false);
  devices = $state.raw<Devices>({ cameras: [], microphones: [], speakers: [] });
  onchange: (() => void) | null = null;
  onlist: (() => void) | null = null;

  readonly #meter = new Meter();
  #speaker = $state('');
  #sound = $state('');
  #effect = $state('');
  #worn = $state.raw<Worn>();
  #coming?: Worn; // the one that has no picture yet
  #bare = $state(true); // the camera's own picture may be seen
  effectOver = $state<Over | ''>('');
  #states = $state.raw<Record<Kind, Device>>({ audio: off, video: off });
  #tracks = $state.raw<Partial<Record<Kind, MediaStreamTrack>>>({});
  readonly #timers: Partial<Record<Kind, ReturnType<typeof setTimeout>>> = {};
  readonly #source: Source;
  readonly #unwatch: () => void;
  #closed = false;
  #opening?: Promise<void>;

  constructor(source: Source = hardware, start: { muted?: boolean; cameraOff?: boolean } = {}) {
    this.#source = source;
    this.muted = start.muted ?? false;
    this.cameraOff = start.cameraOff ?? false;
    this.#unwatch = source.watch({
      devices: () => void this.#list(true).then(() => this.#open()),
      allowed: () => {
        for (const kind of kinds) this.#take(kind, { type: 'allowed' });
        void this.#open();
      },
      front: () => {
        for (const kind of kinds) this.#front(kind);
      },
    });
  }

  get audio(): MediaStreamTrack | undefined {
    return this.#tracks.audio;
  }

  get video(): MediaStreamTrack | undefined {
    return this.#worn?.track ?? (this.#bare ? this.#tracks.video : undefined);
  }

  get choice(): Choice {
    const { audio, video } = this.#states;
    return {
      camera: video.chosen,
      microphone: audio.chosen,
      speaker: this.#speaker,
      sound: this.#sound,
      effect: this.#effect,
    };
  }

  get level(): number {
    return this.#meter.level;
  }

  get faults(): DeviceFault[] {
    const of = (kind: Kind): DeviceFault[] => {
      const { fault } = this.#states[kind];
      return fault ? [`${deviceOf[kind]}-${fault}`] : [];
    };
    return [...of('video'), ...of('audio')];
  }

  get asking(): boolean {
    return kinds.some((kind) => {
      const { phase, reason } = this.#states[kind];
      return phase === 'opening' && reason === 'wish';
    });
  }

  get silent(): boolean {
    return this.muted || !counts(this.#states.audio);
  }

  get dark(): boolean {
    return this.cameraOff || !counts(this.#states.video);
  }

  open(): Promise<void> {
    this.#take('audio', { type: 'want', on: true });
    this.#take('video', { type: 'want', on: !this.cameraOff });
    return this.#open();
  }

  async setMuted(muted: boolean): Promise<void> {
    const { audio } = this.#tracks;
    if (audio) audio.enabled = !muted;
    this.muted = muted;
    if (muted) return;
    this.#take('audio', { type: 'want', on: true });
    await this.#open();
  }

  async setCameraOff(off: boolean): Promise<void> {
    this.cameraOff = off;
    this.#take('video', { type: 'want', on: !off });
    if (!off) await this.#open();
  }

  async choose({ camera, microphone, speaker, sound, effect }: Partial<Choice>): Promise<void> {
    this.effectOver = '';
    if (effect !== undefined && effect !== this.#effect) {
      this.#effect = effect;
      await this.#wear();
    }
    if (speaker !== undefined) this.#speaker = speaker;
    const other = sound !== undefined && sound !== this.#sound;
    if (other) this.#sound = sound;
    if (microphone !== undefined) this.#take('audio', { type: 'choose', id: microphone });
    if (camera !== undefined) this.#take('video', { type: 'choose', id: camera });
    await this.#open();
    if (other) await this.#process();
  }

  /** Puts the effect that is wanted now on the own picture; what is seen stays as it is until that has a picture. */
  async #wear(): Promise<void> {
    const source = this.#tracks.video;
    const word = this.#effect;
    const current = () => source === this.#tracks.video && word === this.#effect;
    this.#coming?.stop();
    this.#coming = undefined;
    let worn: Worn | undefined;
    if (word && source) {
      try {
        // Few use it, so it comes when it is wanted.
        const { Worn } = await import('./effects/worn');
        if (!current()) return; // another one is on its way
        worn = this.#coming = new Worn(source, word as EffectWord, (why) => this.#endEffect(why));
        await worn.first;
      } catch {
        if (current()) this.#endEffect('failed');
        return;
      }
      if (this.#coming !== worn) return;
      this.#coming = undefined;
    }
    this.#worn?.stop();
    this.#worn = worn;
    this.#bare = true;
    this.onchange?.();
  }

  /** An effect has ended by itself. */
  #endEffect(why: Over): void {
    this.#effect = '';
    this.effectOver = why;
    void this.#wear();
  }

  /** Has the browser treat the microphone's sound as is wanted now; one that can't change that is opened anew. */
  async #process(): Promise<void> {
    const before = this.#tracks.audio;
    if (!before) return;
    const wanted = processing(this.#sound);
    const so = (track: MediaStreamTrack) => {
      const is = track.getSettings();
      return (['echoCancellation', 'noiseSuppression', 'autoGainControl'] as const).every(
        (each) => is[each] === undefined || is[each] === wanted[each],
      );
    };
    await before.applyConstraints(wanted).catch(() => {});
    if (so(before) && !this.#sound.includes('music')) return;
    // Chromium gives a second track what the first one has, as long as that lives.
    before.stop();
    try {
      const choice = { ...this.choice, microphone: this.#states.audio.using ?? '' };
      const stream = await this.#source.open({ audio: true, video: false }, choice);
      const [track] = stream.getAudioTracks();
      // Another one may have been opened meanwhile.
      if (track && this.#tracks.audio === before) this.#put('audio', track);
      else track?.stop();
    } catch {
      if (this.#tracks.audio === before) this.#hear('audio', { type: 'ended' });
    }
  }

  get dead(): boolean {
    return this.#meter.dead && !this.silent;
  }

  release(): void {
    for (const kind of kinds) this.#take(kind, { type: 'want', on: false });
  }

  rest(milliseconds: number): void {
    this.#meter.rest(milliseconds);
  }

  close(): void {
    this.#closed = true;
    this.#unwatch();
    this.release();
    this.#meter.close();
  }

  /** Something has happened to a device: what follows from it. */
  #hear(kind: Kind, event: Event, now?: number): void {
    this.#take(kind, event, now);
    void this.#open();
  }

  #take(kind: Kind, event: Event, now = performance.now()): void {
    const state = next(this.#states[kind], event, now);
    if (state === this.#states[kind]) return;
    this.#states = { ...this.#states, [kind]: state };
    if (!state.live) this.#put(kind, undefined);
    clearTimeout(this.#timers[kind]);
    const { due } = state;
    if (due === undefined) return;
    this.#timers[kind] = setTimeout(() => this.#hear(kind, { type: 'time' }, due), due - now);
  }

  /** Opens what is to be opened, one question at a time: two to the same device get in each other's way. */
  #open(): Promise<void> {
    if (this.#wanted.length > 0) this.#opening ??= this.#openAll();
    return this.#opening ?? Promise.resolve();
  }

  get #wanted(): Kind[] {
    return this.#closed ? [] : kinds.filter((kind) => this.#states[kind].phase === 'opening');
  }

  async #openAll(): Promise<void> {
    let wanted = this.#wanted;
    do {
      // One by one where both don't work together: a missing camera must not cost the microphone.
      if (wanted.length < 2 || !(await this.#ask(wanted))) await this.#ask(wanted.slice(0, 1));
      wanted = this.#wanted;
      if (wanted.length > 0) continue;
      await this.#list(false);
      wanted = this.#wanted;
    } while (wanted.length > 0);
    this.#opening = undefined;
  }

  async #ask(wanted: Kind[]): Promise<boolean> {
    const { audio, video } = this.#states;
    const asked = { audio: audio.asked, video: video.asked };
    try {
      const stream = await this.#source.open(
        { audio: wanted.includes('audio'), video: wanted.includes('video') },
        {
          microphone: asked.audio,
          camera: asked.video,
          speaker: '',
          sound: this.#sound,
          effect: '',
        },
      );
      for (const kind of wanted) {
        const track = stream.getTracks().find((candidate) => candidate.kind === kind)!;
        if (this.#wanted.includes(kind)) {
          this.#put(kind, track);
          this.#take(kind, { type: 'opened', id: asked[kind], muted: track.muted });
        } else track.stop(); // it was switched off meanwhile
      }
    } catch (error) {
      if (wanted.length > 1) return false;
      for (const kind of wanted) {
        const muted = this.#tracks[kind]?.muted ?? false;
        this.#take(kind, { type: 'failed', id: asked[kind], why: whyOf(error), muted });
      }
    }
    return true;
  }

  #put(kind: Kind, track: MediaStreamTrack | undefined): void {
    const old = this.#tracks[kind];
    if (old === track) return;
    if (old) {
      old.onmute = old.onunmute = old.onended = null;
      old.stop();
    }
    this.#tracks = { ...this.#tracks, [kind]: track };
    if (kind === 'audio') {
      if (track) track.enabled = !this.muted;
      this.#meter.follow(track);
    } else if (track) {
      track.contentHint = 'motion';
    }
    if (kind === 'video' && (this.#effect || this.#worn)) {
      // What went before does not show what the camera no longer does; and what an effect hides is not shown before it does.
      this.#worn?.stop();
      this.#worn = undefined;
      this.#bare = this.#effect === '';
      void this.#wear();
    }
    // Only for what the browser does: stop() fires nothing.
    if (track)
      track.onmute =
        track.onunmute =
        track.onended =
          ({ type }) => this.#hear(kind, { type: type as 'mute' | 'unmute' | 'ended' });
    this.onchange?.();
  }

  /** The page is looked at again: what is so may have happened without a word. */
  #front(kind: Kind): void {
    const track = this.#tracks[kind];
    if (track?.readyState === 'ended') this.#take(kind, { type: 'ended' });
    else if (track?.muted) this.#take(kind, { type: 'mute' });
    this.#hear(kind, { type: 'front' });
  }

  async #list(told: boolean): Promise<void> {
    const devices = await this.#source.devices();
    this.devices = devices;
    for (const kind of kinds) {
      const list = devices[listOf[kind]];
      const { deviceId, groupId } = this.#tracks[kind]?.getSettings() ?? {};
      // Chromium opens its default under an id that is in no list.
      const own =
        list.find(({ id }) => id === deviceId) ??
        list.find(({ group }) => group && group === groupId);
      this.#take(kind, { type: 'list', ids: list.map(({ id }) => id), id: own?.id, told });
    }
    this.onlist?.();
  }
}
