import * as backgrounds from './backgrounds';
import { type Face, Followed, find, side } from './faces';
import { Mask } from './mask';
import type { Network } from './network';
import { wear } from './stickers';
import { type BackgroundWord, isBackground, isSticker, type SceneWord } from './words';

type Context = OffscreenCanvasRenderingContext2D;

/** Which models there are: for a person in a wide picture, and in one that is not; for faces. */
export type ModelName = 'wide' | 'square' | 'faces';

/** From this ratio of width to height on, a picture is wide. */
const wide = 1.3;

/** Made smaller in these steps, and larger again the same way, a picture tells nothing of a room. */
const parts = [4, 8, 16, 32];

function surface(width: number, height: number, read = false): Context {
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: read });
  if (!context) throw new Error('no canvas');
  return context;
}

/** Makes a canvas that size, if it has another one. */
function resize({ canvas }: Context, width: number, height: number): boolean {
  if (canvas.width === width && canvas.height === height) return false;
  canvas.width = width;
  canvas.height = height;
  return true;
}

/** Draws pictures of a camera with a background or stickers. */
export class Scene {
  readonly #out = surface(1, 1);
  readonly #behind = surface(1, 1);
  readonly #small = parts.map(() => surface(1, 1));
  readonly #looked = surface(1, 1, true);
  readonly #shape = surface(1, 1);
  readonly #followed = new Followed();
  readonly #word: SceneWord;
  readonly #models: (name: ModelName) => Network | undefined;
  #mask?: Mask;

  /** models gives a model, or nothing while it is on its way. */
  constructor(word: SceneWord, models: (name: ModelName) => Network | undefined) {
    this.#word = word;
    this.#models = models;
  }

  /**
   * Draws a picture in that size; a model looks at it first if look says so. While there is no model, nothing of the room
   * behind a person is to be seen. It returns whether there is one.
   */
  draw(frame: CanvasImageSource, width: number, height: number, look: boolean): boolean {
    const word = this.#word;
    const resized = resize(this.#out, width, height);
    if (isBackground(word)) {
      const model = this.#models(width / height >= wide ? 'wide' : 'square');
      if (model && (look || this.#mask?.height !== model.height)) this.#separate(frame, model);
      if (model) this.#cut(frame);
      this.#background(frame, word, resized);
      this.#out.globalCompositeOperation = 'source-over';
      return model !== undefined;
    }
    this.#out.drawImage(frame, 0, 0, width, height);
    const model = this.#models('faces');
    if (!model) return false;
    if (look) this.#followed.take(this.#faces(frame, model));
    if (isSticker(word)) for (const face of this.#followed.faces) wear(this.#out, word, face);
    return true;
  }

  /** What was drawn last. */
  picture(): ImageBitmap {
    return this.#out.canvas.transferToImageBitmap();
  }

  /** The pixels of a frame as a model wants them: numbers from low to 1. */
  #pixels(
    frame: CanvasImageSource,
    model: Network,
    box: [x: number, y: number, w: number, h: number],
    low: 0 | -1,
  ): Float32Array {
    const { width, height } = model;
    if (!resize(this.#looked, width, height)) this.#looked.clearRect(0, 0, width, height);
    this.#looked.drawImage(frame, ...box);
    const { data } = this.#looked.getImageData(0, 0, width, height);
    const input = new Float32Array(width * height * 3);
    const scale = (1 - low) / 255;
    for (let from = 0, to = 0; from < data.length; from += 4) {
      input[to++] = data[from]! * scale + low;
      input[to++] = data[from + 1]! * scale + low;
      input[to++] = data[from + 2]! * scale + low;
    }
    return input;
  }

  #separate(frame: CanvasImageSource, model: Network): void {
    const { width, height } = model;
    if (this.#mask?.height !== height) this.#mask = new Mask(width, height);
    const [likely] = model.run(this.#pixels(frame, model, [0, 0, width, height], 0));
    if (likely) this.#mask.take(likely);
    resize(this.#shape, width, height);
    this.#shape.putImageData(new ImageData(this.#mask.pixels, width, height), 0, 0);
  }

  #faces(frame: CanvasImageSource, model: Network): Face[] {
    const { width, height } = this.#out.canvas;
    const scale = side / Math.max(width, height);
    const [left, top] = [(side - width * scale) / 2, (side - height * scale) / 2];
    const box = [left, top, width * scale, height * scale] as const;
    const [said, scores] = model.run(this.#pixels(frame, model, [...box], -1));
    const out = ({ x, y }: { x: number; y: number }) => ({
      x: (x - left) / scale,
      y: (y - top) / scale,
    });
    return find(said!, scores!).map(({ eyes: [one, other], mouth }) => ({
      eyes: [out(one), out(other)],
      mouth: out(mouth),
    }));
  }

  /** Draws what is behind. */
  #background(frame: CanvasImageSource, word: BackgroundWord, resized: boolean): void {
    const { width, height } = this.#out.canvas;
    if (word !== 'blur') {
      if (resized) {
        resize(this.#behind, width, height);
        backgrounds.paint(this.#behind, word);
      }
      this.#out.drawImage(this.#behind.canvas, 0, 0);
      return;
    }
    // In steps, so that the mean is of all, and no squares are to be seen.
    let from: CanvasImageSource = frame;
    this.#small.forEach((small, i) => {
      resize(small, Math.ceil(width / parts[i]!), Math.ceil(height / parts[i]!));
      small.drawImage(from, 0, 0, small.canvas.width, small.canvas.height);
      from = small.canvas;
    });
    for (const small of this.#small.slice(0, -1).reverse()) {
      small.drawImage(from, 0, 0, small.canvas.width, small.canvas.height);
      from = small.canvas;
    }
    this.#out.drawImage(from, 0, 0, width, height);
  }

  /** Draws the person, and nothing else. */
  #cut(frame: CanvasImageSource): void {
    const { width, height } = this.#out.canvas;
    this.#out.globalCompositeOperation = 'copy';
    this.#out.drawImage(this.#shape.canvas, 0, 0, width, height);
    this.#out.globalCompositeOperation = 'source-in';
    this.#out.drawImage(frame, 0, 0, width, height);
    this.#out.globalCompositeOperation = 'destination-over';
  }
}
