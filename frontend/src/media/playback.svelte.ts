/** Plays the sound of the others: one element a participant, out of sight. */
export class Playback {
  /** The browser waits for a press before it plays anything. */
  blocked = $state(false);
  readonly #elements = new Map<string, HTMLAudioElement>();
  #speaker = '';

  /** Plays exactly these tracks, by participant. */
  play(tracks: ReadonlyMap<string, MediaStreamTrack>): void {
    for (const [participant, element] of this.#elements) {
      if (tracks.has(participant)) continue;
      element.srcObject = null;
      element.remove();
      this.#elements.delete(participant);
    }
    for (const [participant, track] of tracks) {
      let element = this.#elements.get(participant);
      if (!element) {
        element = document.createElement('audio');
        element.autoplay = true;
        element.hidden = true;
        document.body.append(element);
        this.#elements.set(participant, element);
        if (this.#speaker) void this.#sink(element);
      }
      const playing = element.srcObject as MediaStream | null;
      if (playing?.getTracks()[0] !== track) {
        element.srcObject = new MediaStream([track]);
        this.#start(element);
      }
    }
  }

  /** To be called from a press: plays what the browser held back. */
  allow(): void {
    this.blocked = false;
    for (const element of this.#elements.values()) this.#start(element);
  }

  /** Plays through a speaker, '' for the default. Rejects when it is not there. */
  async through(speaker: string): Promise<void> {
    this.#speaker = speaker;
    await Promise.all([...this.#elements.values()].map((element) => this.#sink(element)));
  }

  close(): void {
    this.play(new Map());
  }

  #start(element: HTMLAudioElement): void {
    element.play().catch((error: unknown) => {
      // AbortError: the track was replaced meanwhile, which plays by itself.
      if (error instanceof Error && error.name === 'NotAllowedError') this.blocked = true;
    });
  }

  async #sink(element: HTMLAudioElement): Promise<void> {
    if ('setSinkId' in element) await element.setSinkId(this.#speaker);
  }
}
