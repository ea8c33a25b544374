/** How long a picture may take, in milliseconds: a camera has one every 33, and the call needs the rest. */
export const budget = 12;

/** After how many pictures it is judged whether this computer is fast enough: at 30 a second, 1.5 seconds. */
export const judged = 45;

/** How an effect is drawn. */
export interface Step {
  /** The longer side of a picture at most, in pixels. */
  size: number;
  /** A model looks at one picture in so many. */
  every: number;
}

/** Filters have no model. */
export const filterSteps: readonly Step[] = [
  { size: 1280, every: 1 },
  { size: 640, every: 1 },
];

/** At 30 pictures a second, a model looks at 15 of them, or at 10. */
export const sceneSteps: readonly Step[] = [
  { size: 1280, every: 2 },
  { size: 640, every: 2 },
  { size: 640, every: 3 },
];

/**
 * What a picture takes, in milliseconds: pictures go in groups of `every`, of which one was looked at by a model; the mean of
 * the middle group counts, so that a computer that was busy elsewhere for a moment is not slow.
 */
export function typical(took: readonly number[], every: number): number {
  const means: number[] = [];
  for (let at = 0; at + every <= took.length; at += every) {
    means.push(took.slice(at, at + every).reduce((sum, one) => sum + one) / every);
  }
  means.sort((a, b) => a - b);
  return means[Math.floor(means.length / 2)] ?? 0;
}

/** Goes on to cheaper steps while this computer is too slow for an effect. */
export class Pace {
  readonly #steps: readonly Step[];
  #at = 0;
  #took: number[] = [];
  #count = 0;
  #again = false;

  constructor(steps: readonly Step[]) {
    this.#steps = steps;
  }

  get step(): Step {
    return this.#steps[this.#at]!;
  }

  /** Whether a model is to look at the next picture. */
  get look(): boolean {
    return this.#count % this.step.every === 0;
  }

  /**
   * Takes what a picture took, in milliseconds. It returns false if this computer is too slow for the last step, twice in a
   * row: an effect that ends does not come back by itself.
   */
  take(milliseconds: number): boolean {
    this.#count++;
    this.#took.push(milliseconds);
    if (this.#took.length < judged) return true;
    const slow = typical(this.#took, this.step.every) > budget;
    this.#took = [];
    this.#count = 0;
    if (slow && this.#at + 1 < this.#steps.length) this.#at++;
    else if (slow && this.#again) return false;
    else this.#again = slow;
    return true;
  }
}
