import type { Picture } from '$src/media/engine';
import { Replay } from './replay';

/** One picture: the element that draws it, wherever it is shown. */
class Drawn {
  picture = $state.raw<Picture>();
  readonly element = document.createElement('video');
  readonly #replay = new Replay(this.element);
  readonly #unmuted = () => this.now();
  track = $state.raw<MediaStreamTrack>();

  constructor() {
    const { element } = this;
    element.muted = true;
    element.autoplay = true;
    element.playsInline = true;
    element.disablePictureInPicture = true;
    // The tile around it says whose picture it is.
    element.setAttribute('aria-hidden', 'true');
    element.onresize = () => {
      if (this.picture) this.#seen();
    };
  }

  now(): void {
    this.#replay.now();
  }

  show(track: MediaStreamTrack | undefined): void {
    if (track === this.track) return;
    // Not onunmute: the own track's is taken.
    this.track?.removeEventListener('unmute', this.#unmuted);
    track?.addEventListener('unmute', this.#unmuted);
    this.track = track;
    this.picture = undefined;
    this.element.srcObject = track ? new MediaStream([track]) : null;
    if (!track) return;
    const seen = () => {
      if (this.track === track) this.#seen();
    };
    if ('requestVideoFrameCallback' in this.element) this.element.requestVideoFrameCallback(seen);
    else (this.element as HTMLVideoElement).onloadeddata = seen;
  }

  #seen(): void {
    const { videoWidth, videoHeight } = this.element;
    if (videoWidth && videoHeight) this.picture = { ratio: videoWidth / videoHeight };
  }
}

/** The pictures of all participants, each in one video element that moves between tiles. */
export class Pictures {
  #drawn = $state.raw<ReadonlyMap<string, Drawn>>(new Map());
  readonly #containers = new Map<string, HTMLElement>();

  /** Draws exactly these tracks, by participant. */
  show(tracks: ReadonlyMap<string, MediaStreamTrack>): void {
    const next = new Map<string, Drawn>();
    for (const [participant, track] of tracks) {
      const drawn = this.#drawn.get(participant) ?? new Drawn();
      drawn.show(track);
      next.set(participant, drawn);
      place(drawn, this.#containers.get(participant));
    }
    for (const [participant, drawn] of this.#drawn) {
      if (next.has(participant)) continue;
      drawn.show(undefined);
      drawn.element.remove();
    }
    this.#drawn = next;
  }

  /** Plays what has paused; see Playback.now. */
  now(): void {
    for (const drawn of this.#drawn.values()) drawn.now();
  }

  of(participant: string): Picture | undefined {
    return this.#drawn.get(participant)?.picture;
  }

  trackOf(participant: string): MediaStreamTrack | undefined {
    return this.#drawn.get(participant)?.track;
  }

  attach(participant: string, container: HTMLElement): () => void {
    this.#containers.set(participant, container);
    const drawn = this.#drawn.get(participant);
    if (drawn) place(drawn, container);
    return () => {
      if (this.#containers.get(participant) !== container) return;
      this.#containers.delete(participant);
      container.replaceChildren();
    };
  }
}

/** Puts a picture in its container, unless it is there: one that is put there again plays anew. */
function place(drawn: Drawn, container: Element | undefined): void {
  if (!container || drawn.element.parentNode === container) return;
  container.replaceChildren(drawn.element);
  drawn.now();
}
