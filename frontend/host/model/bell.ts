/** How long the bell sounds, in milliseconds. */
const still = 1500;

/** The soft bell that rings in the window when somebody knocks: two struck tones, a fifth apart. */
export class Bell {
  #context: AudioContext | undefined;
  #sound: Promise<AudioBuffer> | undefined;
  #ringing: AudioBufferSourceNode | undefined;
  #next: ReturnType<typeof setTimeout> | undefined;
  #struck = Number.NEGATIVE_INFINITY; // performance.now() of the last stroke

  /**
   * Rings once, when what goes on in the page is done: the card comes first. A webview that allows no sound before a
   * press stays silent; the card and the notification are there.
   */
  ring(): void {
    clearTimeout(this.#next);
    // Those who knock while it still sounds are heard by it: many at once are no louder and no faster.
    if (performance.now() - this.#struck < still) return;
    this.#next = setTimeout(() => {
      this.#struck = performance.now();
      // No sound device: the bell is the least of three ways to notice.
      this.#strike().catch(() => {});
    });
  }

  async #strike(): Promise<void> {
    this.#context ??= new AudioContext({ latencyHint: 'balanced' }); // nobody plays an instrument
    const context = this.#context;
    this.#sound ??= sound(context.sampleRate);
    const buffer = await this.#sound;
    if (context !== this.#context) return; // closed meanwhile
    // One at a time: those that could not be heard yet don't wait to ring all at once.
    this.#ringing?.stop();
    const source = new AudioBufferSourceNode(context, { buffer });
    this.#ringing = source;
    // A context that runs keeps the sound device, a thread and a battery busy.
    source.onended = () => {
      if (this.#ringing === source) context.suspend().catch(() => {});
    };
    source.connect(context.destination);
    source.start();
    await context.resume();
  }

  close(): void {
    clearTimeout(this.#next);
    void this.#context?.close().catch(() => {});
    this.#context = this.#ringing = undefined;
  }
}

/**
 * The bell as it sounds, at so many samples a second. Drawn up once: to have its six tones added up anew with every knock
 * took a twentieth of a processor for as long as it rang, at the moment at which the card has to appear.
 */
function sound(rate: number): Promise<AudioBuffer> {
  const context = new OfflineAudioContext(1, Math.ceil(2 * rate), rate);
  strike(context, 659.26, 0, 0.16);
  strike(context, 987.77, 0.16, 0.12);
  return context.startRendering();
}

/** A bell's tone: the ground note with two quieter, faster fading partials. */
function strike(
  context: BaseAudioContext,
  frequency: number,
  start: number,
  loudness: number,
): void {
  const partials: [ratio: number, level: number, seconds: number][] = [
    [1, 1, 1.4],
    [2.01, 0.35, 0.8],
    [3.03, 0.12, 0.4],
  ];
  for (const [ratio, level, seconds] of partials) {
    const tone = context.createOscillator();
    const gain = context.createGain();
    tone.frequency.value = frequency * ratio;
    gain.gain.setValueAtTime(0, start);
    gain.gain.linearRampToValueAtTime(loudness * level, start + 0.012);
    gain.gain.exponentialRampToValueAtTime(0.0001, start + seconds);
    tone.connect(gain).connect(context.destination);
    tone.start(start);
    tone.stop(start + seconds + 0.05);
  }
}
