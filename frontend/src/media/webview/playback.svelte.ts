import { Replay } from './replay';

interface Voice {
  element: HTMLAudioElement;
  replay: Replay;
  track?: MediaStreamTrack;
}

/** Plays the sound of the others: one element a participant, out of sight. */
export class Playback {
  /** The browser waits for a press before it plays anything. */
  blocked = $state(false);
  readonly #voices = new Map<string, Voice>();
  #speaker = '';

  /** Plays exactly these tracks, by participant. */
  play(tracks: ReadonlyMap<string, MediaStreamTrack>): void {
    for (const [participant, voice] of this.#voices) {
      if (tracks.has(participant)) continue;
      voice.element.srcObject = null;
      voice.element.remove();
      this.#voices.delete(participant);
    }
    for (const [participant, track] of tracks) {
      let voice = this.#voices.get(participant);
      if (!voice) {
        voice = this.#make();
        this.#voices.set(participant, voice);
      }
      if (voice.track === track) continue;
      const { element, replay } = voice;
      voice.track = track;
      element.srcObject = new MediaStream([track]);
      track.onunmute = () => replay.now();
      replay.now();
    }
  }

  /** Plays what has paused: to be called from a press, and when the page is looked at again. */
  now(): void {
    for (const { replay } of this.#voices.values()) replay.now();
  }

  /** Plays through a speaker, '' for the default. Rejects when it is not there. */
  async through(speaker: string): Promise<void> {
    this.#speaker = speaker;
    await Promise.all([...this.#voices.values()].map(({ element }) => this.#sink(element)));
  }

  close(): void {
    this.play(new Map());
  }

  #make(): Voice {
    const element = document.createElement('audio');
    element.autoplay = true;
    element.hidden = true;
    document.body.append(element);
    // One that has gone just now is replaced when the list of devices comes.
    if (this.#speaker) this.#sink(element).catch(() => {});
    const replay = new Replay(element, (blocked) => {
      this.blocked = blocked;
    });
    return { element, replay };
  }

  async #sink(element: HTMLAudioElement): Promise<void> {
    if ('setSinkId' in element) await element.setSinkId(this.#speaker);
  }
}
