/** How often the level is looked at, in milliseconds. */
const tick = 50;

/** How long a microphone gives nothing, not even a hiss, until it counts as dead, in milliseconds. */
const patience = 8000;

/**
 * The level of a microphone, 0 to 1, from its samples. Browsers keep audio
 * contexts asleep until the person has pressed something; the meter wakes up
 * with the first press.
 */
export class Meter {
  level = $state(0);
  /** Nothing has come for a while, though it is on. */
  dead = $state(false);
  #heardAt = 0;
  #rests = 0; // until then, in milliseconds of performance.now
  #context?: AudioContext;
  #stop?: () => void;

  /** Measures track from now on; undefined stops. */
  follow(track: MediaStreamTrack | undefined): void {
    this.#stop?.();
    this.#stop = undefined;
    this.level = 0;
    this.dead = false;
    if (!track || typeof AudioContext === 'undefined') return;
    this.#context ??= new AudioContext({ latencyHint: tick / 1000 }); // not a hundred times a second
    const context = this.#context;
    const source = context.createMediaStreamSource(new MediaStream([track]));
    const analyser = new AnalyserNode(context, { fftSize: 512 });
    source.connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const timer = setInterval(() => {
      if (performance.now() < this.#rests) return;
      analyser.getFloatTimeDomainData(samples);
      const level = track.enabled ? loudness(samples) : 0;
      const now = performance.now();
      // A context that sleeps hears nothing of anything.
      const counts = track.enabled && !track.muted && context.state === 'running';
      if (!counts || samples.some((sample) => sample !== 0)) this.#heardAt = now;
      this.dead = now - this.#heardAt > patience;
      // Falls slower than it rises, as the eye expects.
      this.level = Math.max(level, this.level * 0.8);
      if (this.level < 0.01) this.level = 0;
    }, tick);
    this.#heardAt = performance.now();
    const wake = () => void context.resume();
    const events = ['pointerdown', 'keydown'] as const;
    for (const event of events) addEventListener(event, wake);
    this.#stop = () => {
      clearInterval(timer);
      for (const event of events) removeEventListener(event, wake);
      source.disconnect();
    };
  }

  /**
   * Lets the level stay as it is for so many milliseconds. To draw it takes a page's one thread some 4 ms twenty times a second:
   * too much while somebody waits for something else.
   */
  rest(milliseconds: number): void {
    this.#rests = performance.now() + milliseconds;
  }

  close(): void {
    this.follow(undefined);
    void this.#context?.close();
    this.#context = undefined;
  }
}

/** Root mean square of samples on a scale of −60 dB (0) to −6 dB (1). */
export function loudness(samples: Float32Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const decibels = 10 * Math.log10(sum / samples.length + 1e-12);
  return Math.min(1, Math.max(0, (decibels + 60) / 54));
}
