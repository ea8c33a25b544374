/** Filters of the own picture, by their words in Choice.effect. */
export type FilterWord = 'warm' | 'cool' | 'mono' | 'bright';

/** How long a picture may take, in milliseconds: a camera has one every 33, and the call needs the rest. */
export const budget = 12;

/** After how many pictures it is judged whether this computer is fast enough. */
const judged = 45;

/** How many pictures a second are drawn. */
const rate = 30;

/** The sizes that are tried, by the longer side: as the camera is, up to the first, then smaller. */
const sizes = [1280, 640];

/**
 * What a filter does to a canvas that has the picture: it is filled once more, and browsers mix that with what is there
 * (Compositing and Blending, W3C). No shader: that has to be the same on computers without a graphics card.
 */
const mixes: Record<FilterWord, readonly [mix: GlobalCompositeOperation, colour: string][]> = {
  warm: [['soft-light', 'rgb(255 140 40 / 0.55)']],
  cool: [['soft-light', 'rgb(40 130 255 / 0.55)']],
  mono: [['saturation', 'rgb(128 128 128)']],
  bright: [['color-dodge', 'rgb(96 96 96)']],
};

/** Draws a filter over a canvas. */
export function draw(context: CanvasRenderingContext2D, word: FilterWord): void {
  const { width, height } = context.canvas;
  for (const [mix, colour] of mixes[word]) {
    context.globalCompositeOperation = mix;
    context.fillStyle = colour;
    context.fillRect(0, 0, width, height);
  }
  context.globalCompositeOperation = 'source-over';
}

/** Whether pictures that took so long, in milliseconds, are too slow: judged by the middle one. */
export function tooSlow(took: readonly number[]): boolean {
  const sorted = [...took].sort((a, b) => a - b);
  return (sorted[Math.floor(sorted.length / 2)] ?? 0) > budget;
}

/**
 * A camera's picture through a filter. If this computer is too slow it draws smaller pictures, and if it is too slow for
 * those as well it calls onslow, once.
 */
export class Filtered {
  readonly track: MediaStreamTrack;
  readonly #video = document.createElement('video');
  readonly #canvas = document.createElement('canvas');
  readonly #context: CanvasRenderingContext2D;
  readonly #clock: Worker;
  readonly #source: MediaStreamTrack;
  readonly #word: FilterWord;
  readonly #onslow: () => void;
  #size = 0; // of sizes
  #took: number[] = [];
  #over = false;

  /** source goes on belonging to whoever has it. */
  constructor(source: MediaStreamTrack, word: FilterWord, onslow: () => void) {
    this.#source = source;
    this.#word = word;
    this.#onslow = onslow;
    const context = this.#canvas.getContext('2d', { alpha: false });
    if (!context) throw new Error('no canvas');
    this.#context = context;
    this.#video.muted = true;
    this.#video.playsInline = true;
    this.#video.srcObject = new MediaStream([source]);
    this.#video.play().catch(() => {});
    const { width = 640, height = 360 } = source.getSettings();
    this.#fit(width, height);
    this.track = this.#canvas.captureStream(rate).getVideoTracks()[0]!;
    this.track.contentHint = 'motion';
    // A page's own timers rest while it is hidden, and the others would see a picture that stands still.
    this.#clock = new Worker(new URL('./clock.ts', import.meta.url), { type: 'module' });
    this.#clock.onmessage = () => this.#draw();
    this.#clock.postMessage(1000 / rate);
  }

  stop(): void {
    if (this.#over) return;
    this.#over = true;
    this.#clock.terminate();
    this.track.stop();
    this.#video.srcObject = null;
  }

  #fit(width: number, height: number): void {
    const scale = Math.min(1, sizes[this.#size]! / Math.max(width, height));
    const [wide, tall] = [Math.round(width * scale), Math.round(height * scale)];
    if (this.#canvas.width === wide && this.#canvas.height === tall) return;
    this.#canvas.width = wide;
    this.#canvas.height = tall;
  }

  #draw(): void {
    const { videoWidth, videoHeight } = this.#video;
    if (this.#over || !videoWidth || !videoHeight || !this.#source.enabled) return;
    const began = performance.now();
    this.#fit(videoWidth, videoHeight);
    this.#context.drawImage(this.#video, 0, 0, this.#canvas.width, this.#canvas.height);
    draw(this.#context, this.#word);
    // Drawing is done when it is asked for, not when it is ordered.
    this.#context.getImageData(0, 0, 1, 1);
    this.#took.push(performance.now() - began);
    if (this.#took.length < judged) return;
    const slow = tooSlow(this.#took);
    this.#took = [];
    if (!slow) return;
    if (this.#size + 1 < sizes.length) this.#size++;
    else {
      this.stop();
      this.#onslow();
    }
  }
}
