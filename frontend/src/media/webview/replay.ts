/** How soon what has paused is played again, in milliseconds; then no more until something has changed. */
const pauses = [250, 1000, 4000];
/** What has played for so long has recovered. */
const recovered = 10_000;

/**
 * Keeps an element playing that plays from a track. Browsers pause what they think nobody sees or hears, iOS whatever plays
 * when a phone call comes; and play called over and over there keeps it from recovering (twilio-video.js#1578).
 */
export class Replay {
  readonly #element: HTMLMediaElement;
  readonly #tell: (blocked: boolean) => void;
  #tries = 0;
  #playing = 0; // since, in milliseconds of performance.now
  #timer?: ReturnType<typeof setTimeout>;

  /** tell hears whether the browser waits for a press. */
  constructor(element: HTMLMediaElement, tell: (blocked: boolean) => void = () => {}) {
    this.#element = element;
    this.#tell = tell;
    element.onplaying = () => {
      this.#playing = performance.now();
    };
    element.onpause = () => {
      if (performance.now() - this.#playing > recovered) this.#tries = 0;
      const pause = pauses[this.#tries++];
      clearTimeout(this.#timer);
      if (pause !== undefined) this.#timer = setTimeout(() => this.#play(), pause);
    };
  }

  /** Something has changed: plays it, if it does not play. */
  now(): void {
    clearTimeout(this.#timer);
    this.#tries = 0;
    this.#play();
  }

  #play(): void {
    const element = this.#element;
    if (!element.paused || !element.srcObject || !element.isConnected) return;
    element.play().then(
      () => this.#tell(false),
      (error: unknown) => {
        // AbortError: the track was replaced meanwhile, which plays by itself.
        if (error instanceof Error && error.name === 'NotAllowedError') this.#tell(true);
      },
    );
  }
}
