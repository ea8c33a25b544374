import type { GuestMessage, Kind, View } from '$src/transport';

/** The least time between two messages, in milliseconds: four a second. */
const pause = 250;

/** Of a tile, in device pixels; see MaxHeight in backend/signalling. */
const highest = 4320;

const pixels = (height: number): number => Math.min(highest, Math.round(height * devicePixelRatio));

/** A tile that shows a participant. What is undefined is not known yet. */
interface Watched {
  participant: string;
  kind: Kind;
  onScreen?: boolean;
  height?: number;
}

/**
 * Tells the host which pictures are on this screen and how large, so that it sends none that nobody sees: not to a page that
 * is hidden, nor to a window that is minimised, nor for a tile that is out of sight. It speaks when that changes, to a host
 * that takes it.
 */
export class ViewReport {
  readonly #send: (message: GuestMessage) => boolean;
  readonly #tiles = new Map<Element, Watched>();
  readonly #over = new AbortController();
  #onScreen?: IntersectionObserver;
  #size?: ResizeObserver;
  #taken = false;
  #minimised = false;
  #floating?: { participant: string; height: number };
  #told?: string; // the last message, as JSON
  #toldAt = Number.NEGATIVE_INFINITY;
  #timer?: ReturnType<typeof setTimeout>;

  /** send returns false while the channel is away. */
  constructor(send: (message: GuestMessage) => boolean) {
    this.#send = send;
  }

  /** Whether the host takes it: from a roster that says so until the channel is lost. Each time it is told anew. */
  take(taken: boolean): void {
    this.#taken = taken;
    this.#told = undefined;
    this.#tell();
  }

  /** Whether the window is minimised, where the page does not count as hidden for that. */
  minimise(minimised: boolean): void {
    this.#minimised = minimised;
    this.#tell();
  }

  /** A picture that stays in sight while the page is hidden, in a window of its own; height in CSS pixels. */
  float(participant?: string, height = 0): void {
    this.#floating = participant === undefined ? undefined : { participant, height };
    this.#tell();
  }

  /** Follows a tile until the returned function is called. kind is what of the participant it shows. */
  watch(participant: string, tile: Element, kind: Kind = 'video'): () => void {
    if (!this.#onScreen) this.#observe();
    this.#tiles.set(tile, { participant, kind });
    this.#onScreen?.observe(tile);
    this.#size?.observe(tile);
    return () => {
      this.#onScreen?.unobserve(tile);
      this.#size?.unobserve(tile);
      this.#tiles.delete(tile);
      this.#tell();
    };
  }

  close(): void {
    this.#over.abort();
    clearTimeout(this.#timer);
    this.#onScreen?.disconnect();
    this.#size?.disconnect();
    this.#taken = false;
  }

  #observe(): void {
    this.#onScreen = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        const tile = this.#tiles.get(target);
        if (tile) tile.onScreen = isIntersecting;
      }
      this.#tell();
    });
    this.#size = new ResizeObserver((entries) => {
      for (const { target, contentRect } of entries) {
        const tile = this.#tiles.get(target);
        if (tile) tile.height = contentRect.height;
      }
      this.#tell();
    });
    const { signal } = this.#over;
    document.addEventListener('visibilitychange', () => this.#tell(), { signal });
  }

  /** What is seen now; undefined while that is not known. */
  #seen(): View | undefined {
    const hidden = document.visibilityState === 'hidden' || this.#minimised;
    const takes = ['layers', 'screen', 'line', 'recording'];
    if (hidden && this.#floating) {
      const { participant, height } = this.#floating;
      return {
        hidden: false,
        tiles: [{ participant, height: pixels(height), kind: 'video' }],
        takes,
      };
    }
    const tiles = [...this.#tiles.values()];
    // The observers of a hidden page are silent.
    const known =
      tiles.length > 0 && tiles.every((t) => t.onScreen !== undefined && t.height !== undefined);
    if (!known && !hidden) return undefined;
    return {
      hidden,
      tiles: tiles
        .filter(({ onScreen }) => onScreen)
        .map(({ participant, kind, height = 0 }) => ({
          participant,
          height: pixels(height),
          kind,
        })),
      takes,
    };
  }

  /** Says what is seen if that is something else than before, now or as soon as it may. */
  #tell(): void {
    if (!this.#taken || this.#timer !== undefined) return;
    const payload = this.#seen();
    if (!payload) return;
    const text = JSON.stringify(payload);
    if (text === this.#told) return;
    const wait = this.#toldAt + pause - performance.now();
    if (wait > 0) {
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.#tell();
      }, wait);
      return;
    }
    if (!this.#send({ type: 'view', payload })) return;
    this.#told = text;
    this.#toldAt = performance.now();
  }
}
