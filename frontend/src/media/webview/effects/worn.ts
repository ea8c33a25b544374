import { draw } from './filter';
import { filterSteps, Pace, sceneSteps } from './pace';
import type { Answer, Order, Picture } from './scene.worker';
import { type EffectWord, type FilterWord, isFilter, type SceneWord } from './words';

/** How many pictures a second are drawn. */
const rate = 30;

/** Why an effect has ended by itself: this computer is too slow for it, or it can't be loaded or drawn here. */
export type Over = 'slow' | 'failed';

interface Size {
  width: number;
  height: number;
}

/** Draws pictures of a video on a canvas. */
interface Painter {
  /** Resolves to what it took, in milliseconds; undefined for what does not count, because it is not ready yet. */
  paint(video: HTMLVideoElement, size: Size, look: boolean): Promise<number | undefined>;
  close(): void;
}

/** Draws a picture and returns what it took, in milliseconds. */
function put(
  context: CanvasRenderingContext2D,
  picture: CanvasImageSource,
  { width, height }: Size,
  then?: () => void,
): number {
  const began = performance.now();
  const { canvas } = context;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  context.drawImage(picture, 0, 0, width, height);
  then?.();
  // Drawing is done when it is asked for, not when it is ordered.
  context.getImageData(0, 0, 1, 1);
  return performance.now() - began;
}

/** Filters are drawn in the page: a picture, and one mix over it. */
class FilterPainter implements Painter {
  readonly #context: CanvasRenderingContext2D;
  readonly #word: FilterWord;

  constructor(context: CanvasRenderingContext2D, word: FilterWord) {
    this.#context = context;
    this.#word = word;
  }

  async paint(video: HTMLVideoElement, size: Size): Promise<number> {
    return put(this.#context, video, size, () => draw(this.#context, this.#word));
  }

  close(): void {}
}

/** Scenes are drawn in a worker, so that the page goes on meanwhile. */
class ScenePainter implements Painter {
  readonly #context: CanvasRenderingContext2D;
  readonly #worker: Worker;
  #drawn: ((picture: Picture) => void) | undefined;

  constructor(context: CanvasRenderingContext2D, word: SceneWord, onfailed: () => void) {
    this.#context = context;
    this.#worker = new Worker(new URL('./scene.worker.ts', import.meta.url), { type: 'module' });
    this.#worker.onerror = onfailed;
    this.#worker.onmessage = ({ data }: MessageEvent<Answer>) => {
      if ('failed' in data) onfailed();
      else this.#drawn?.(data);
    };
    this.#say({ word });
  }

  async paint(video: HTMLVideoElement, size: Size, look: boolean): Promise<number | undefined> {
    const began = performance.now();
    const frame = await createImageBitmap(video);
    const before = performance.now() - began;
    const { picture, took, ready } = await new Promise<Picture>((done) => {
      this.#drawn = done;
      this.#say({ frame, ...size, look }, [frame]);
    });
    const after = put(this.#context, picture, size);
    picture.close();
    return ready ? before + took + after : undefined;
  }

  close(): void {
    this.#worker.terminate();
  }

  #say(order: Order, transfer: Transferable[] = []): void {
    this.#worker.postMessage(order, transfer);
  }
}

/**
 * A camera's picture with an effect. If this computer is too slow it draws smaller pictures, with fewer looks of a model,
 * and if it is too slow for those as well, or can't draw it, it calls onover, once.
 */
export class Worn {
  readonly track: MediaStreamTrack;
  /** Resolves when the track has its first picture, or is over. */
  readonly first: Promise<void>;
  #started = () => {};
  readonly #video = document.createElement('video');
  readonly #canvas = document.createElement('canvas');
  readonly #painter: Painter;
  readonly #clock: Worker;
  readonly #source: MediaStreamTrack;
  readonly #pace: Pace;
  readonly #onover: (why: Over) => void;
  #painting = false;
  #over = false;

  /** source goes on belonging to whoever has it. */
  constructor(source: MediaStreamTrack, word: EffectWord, onover: (why: Over) => void) {
    this.#source = source;
    this.#onover = onover;
    const context = this.#canvas.getContext('2d', { alpha: false });
    if (!context) throw new Error('no canvas');
    this.#pace = new Pace(isFilter(word) ? filterSteps : sceneSteps);
    this.#painter = isFilter(word)
      ? new FilterPainter(context, word)
      : new ScenePainter(context, word, () => this.#end('failed'));
    this.#video.muted = true;
    this.#video.playsInline = true;
    this.#video.srcObject = new MediaStream([source]);
    this.#video.play().catch(() => {});
    this.first = new Promise((done) => {
      this.#started = done;
    });
    this.track = this.#canvas.captureStream(rate).getVideoTracks()[0]!;
    this.track.contentHint = 'motion';
    // A page's own timers rest while it is hidden, and the others would see a picture that stands still.
    this.#clock = new Worker(new URL('./clock.ts', import.meta.url), { type: 'module' });
    this.#clock.onmessage = () => void this.#draw();
    this.#clock.postMessage(1000 / rate);
  }

  stop(): void {
    if (this.#over) return;
    this.#over = true;
    this.#started();
    this.#clock.terminate();
    this.#painter.close();
    this.track.stop();
    this.#video.srcObject = null;
  }

  #end(why: Over): void {
    if (this.#over) return;
    this.stop();
    this.#onover(why);
  }

  /** As the camera's, but no larger than the pace allows. */
  get #size(): Size {
    const { videoWidth, videoHeight } = this.#video;
    const scale = Math.min(1, this.#pace.step.size / Math.max(videoWidth, videoHeight));
    return { width: Math.round(videoWidth * scale), height: Math.round(videoHeight * scale) };
  }

  async #draw(): Promise<void> {
    const { videoWidth, videoHeight } = this.#video;
    if (this.#over || this.#painting || !videoWidth || !videoHeight || !this.#source.enabled)
      return;
    this.#painting = true;
    try {
      const took = await this.#painter.paint(this.#video, this.#size, this.#pace.look);
      this.#started();
      if (took !== undefined && !this.#pace.take(took)) this.#end('slow');
    } catch {
      this.#end('failed');
    } finally {
      this.#painting = false;
    }
  }
}
