/** How long it sounds, with some to spare, in milliseconds. */
const fades = 4000;

/** The soft bell that rings in the window when somebody knocks: two struck tones, a fifth apart. */
export class Bell {
  #context: AudioContext | undefined;
  #ringing: ReturnType<typeof setTimeout> | undefined;
  #fading: ReturnType<typeof setTimeout> | undefined;

  /**
   * Rings once, when what goes on in the page is done: the card comes first. A webview that allows no sound before a
   * press stays silent; the card and the notification are there.
   */
  ring(): void {
    clearTimeout(this.#ringing);
    this.#ringing = setTimeout(() => this.#strike());
  }

  #strike(): void {
    try {
      this.#context ??= new AudioContext({ latencyHint: 'balanced' }); // nobody plays an instrument
      const context = this.#context;
      void context.resume().catch(() => {});
      const start = context.currentTime + 0.02;
      strike(context, 659.26, start, 0.16);
      strike(context, 987.77, start + 0.16, 0.12);
      // A context that runs keeps the sound device, a thread and a battery busy.
      clearTimeout(this.#fading);
      this.#fading = setTimeout(() => void context.suspend().catch(() => {}), fades);
    } catch {
      // No sound device: the bell is the least of three ways to notice.
    }
  }

  close(): void {
    clearTimeout(this.#ringing);
    clearTimeout(this.#fading);
    void this.#context?.close().catch(() => {});
    this.#context = undefined;
  }
}

/** A bell's tone: the ground note with two quieter, faster fading partials. */
function strike(context: AudioContext, frequency: number, start: number, loudness: number): void {
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
