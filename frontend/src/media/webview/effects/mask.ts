/** How much of a new look counts beside what was before, so that edges don't flicker. */
const fresh = 0.7;

/** Below `out` it is no person, above `in` it is one; between them it is a bit of both. */
const edge = { out: 0.25, in: 0.75 };

/** How much a person stands at a point that a model takes for one with this likelihood, 0 to 1. */
export function opacity(likelihood: number): number {
  const t = Math.min(Math.max((likelihood - edge.out) / (edge.in - edge.out), 0), 1);
  return t * t * (3 - 2 * t);
}

/** Where a person is: the opacity of each point, as the alpha of pixels that are black otherwise. */
export class Mask {
  readonly width: number;
  readonly height: number;
  /** RGBA, row by row. */
  readonly pixels: Uint8ClampedArray<ArrayBuffer>;
  readonly #likely: Float32Array;
  #empty = true;

  constructor(width: number, height: number) {
    this.width = width;
    this.height = height;
    this.pixels = new Uint8ClampedArray(width * height * 4);
    this.#likely = new Float32Array(width * height);
  }

  /** Takes the likelihood of each point, 0 to 1, row by row. */
  take(likely: Float32Array): void {
    const part = this.#empty ? 1 : fresh;
    this.#empty = false;
    for (let i = 0; i < this.#likely.length; i++) {
      const before = this.#likely[i]!;
      const now = before + ((likely[i] ?? 0) - before) * part;
      this.#likely[i] = now;
      this.pixels[4 * i + 3] = 255 * opacity(now);
    }
  }
}
