import type { Picture } from '$src/call/engine';

/** One picture: the element that draws it, wherever it is shown. */
class Drawn {
  picture = $state.raw<Picture>();
  readonly element = document.createElement('video');
  #track?: MediaStreamTrack;

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
    // Browsers pause what they think nobody sees, Safari also when the camera is taken by a call.
    element.onpause = () => void element.play().catch(() => {});
  }

  show(track: MediaStreamTrack | undefined): void {
    if (track === this.#track) return;
    this.#track = track;
    this.picture = undefined;
    this.element.srcObject = track ? new MediaStream([track]) : null;
    if (!track) return;
    const seen = () => {
      if (this.#track === track) this.#seen();
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
      place(drawn.element, this.#containers.get(participant));
    }
    for (const [participant, drawn] of this.#drawn) {
      if (next.has(participant)) continue;
      drawn.show(undefined);
      drawn.element.remove();
    }
    this.#drawn = next;
  }

  of(participant: string): Picture | undefined {
    return this.#drawn.get(participant)?.picture;
  }

  attach(participant: string, container: HTMLElement): () => void {
    this.#containers.set(participant, container);
    const drawn = this.#drawn.get(participant);
    if (drawn) place(drawn.element, container);
    return () => {
      if (this.#containers.get(participant) !== container) return;
      this.#containers.delete(participant);
      container.replaceChildren();
    };
  }
}

/** Puts an element in its container, unless it is there: one that is put there again plays anew. */
function place(element: Element, container: Element | undefined): void {
  if (container && element.parentNode !== container) container.replaceChildren(element);
}
