import type { Choice, DeviceFault, Devices } from '$src/media/engine';
import type { Capture, Own } from '$src/media/webview/capture.svelte';

/** How long until what could not be fetched is tried again, in milliseconds. */
const pause = 1500;

const none: Devices = { cameras: [], microphones: [], speakers: [] };
const unchosen: Choice = { camera: '', microphone: '', speaker: '', sound: '', effect: '' };

/**
 * Stands for the own devices while what opens them is on its way: it is fetched from the first moment on, beside the
 * connection to the host, so that the page is light and nobody waits for it.
 */
export class LaterCapture implements Own {
  onchange: (() => void) | null = null;
  onlist: (() => void) | null = null;
  #capture = $state.raw<Capture>();
  #muted = $state(false);
  #cameraOff = $state(false);
  #wanted = $state(false);
  readonly #coming: Promise<Capture>;

  constructor(
    fetch: () => Promise<typeof import('$src/media/webview/capture.svelte')>,
    { muted, cameraOff }: { muted: boolean; cameraOff: boolean },
  ) {
    this.#muted = muted;
    this.#cameraOff = cameraOff;
    const get = (): ReturnType<typeof fetch> =>
      fetch().catch(async () => {
        await new Promise((done) => setTimeout(done, pause));
        return get();
      });
    this.#coming = get().then(({ Capture }) => {
      const capture = new Capture(undefined, { muted: this.#muted, cameraOff: this.#cameraOff });
      capture.onchange = () => this.onchange?.();
      capture.onlist = () => this.onlist?.();
      if (this.#wanted) void capture.open();
      this.#capture = capture;
      return capture;
    });
  }

  get muted(): boolean {
    return this.#capture ? this.#capture.muted : this.#muted;
  }

  get cameraOff(): boolean {
    return this.#capture ? this.#capture.cameraOff : this.#cameraOff;
  }

  get choice(): Choice {
    return this.#capture?.choice ?? unchosen;
  }

  get audio(): MediaStreamTrack | undefined {
    return this.#capture?.audio;
  }

  get video(): MediaStreamTrack | undefined {
    return this.#capture?.video;
  }

  get devices(): Devices {
    return this.#capture?.devices ?? none;
  }

  get faults(): readonly DeviceFault[] {
    return this.#capture?.faults ?? [];
  }

  get effectOver(): Own['effectOver'] {
    return this.#capture?.effectOver ?? '';
  }

  get dead(): boolean {
    return this.#capture?.dead ?? false;
  }

  get level(): number {
    return this.#capture?.level ?? 0;
  }

  get asking(): boolean {
    return this.#capture ? this.#capture.asking : this.#wanted;
  }

  get silent(): boolean {
    return this.#capture ? this.#capture.silent : this.#muted || !this.#wanted;
  }

  get dark(): boolean {
    return this.#capture ? this.#capture.dark : this.#cameraOff || !this.#wanted;
  }

  async open(): Promise<void> {
    this.#wanted = true;
    await this.#capture?.open();
  }

  async setMuted(muted: boolean): Promise<void> {
    this.#muted = muted;
    await (await this.#coming).setMuted(muted);
  }

  async setCameraOff(off: boolean): Promise<void> {
    this.#cameraOff = off;
    await (await this.#coming).setCameraOff(off);
  }

  async choose(part: Partial<Choice>): Promise<void> {
    await (await this.#coming).choose(part);
  }

  release(): void {
    this.#wanted = false;
    this.#capture?.release();
  }

  rest(milliseconds: number): void {
    this.#capture?.rest(milliseconds);
  }

  close(): void {
    void this.#coming.then((capture) => capture.close());
  }
}
