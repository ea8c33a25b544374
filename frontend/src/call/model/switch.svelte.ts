/**
 * A switch that takes time: what is wanted, what is, and whether the two are
 * being brought together. Wishes made meanwhile replace each other; the last
 * one wins.
 */
export class Switch {
  desired = $state(false);
  pending = $state(false);
  readonly #actual: () => boolean;
  readonly #apply: (on: boolean) => Promise<void>;

  /** apply makes it so; actual tells what is. Both are asked again until desired is tried. */
  constructor(actual: () => boolean, apply: (on: boolean) => Promise<void>) {
    this.#actual = actual;
    this.#apply = apply;
    this.desired = actual();
  }

  get actual(): boolean {
    return this.#actual();
  }

  /** What to show: the wish while it is under way, then what is. */
  get shown(): boolean {
    return this.pending ? this.desired : this.#actual();
  }

  async set(on: boolean): Promise<void> {
    this.desired = on;
    if (this.pending) return;
    this.pending = true;
    try {
      let tried: boolean | undefined;
      // Off is told in any case: what is off by itself now would come back on.
      while (tried !== this.desired && !(this.desired && this.#actual())) {
        tried = this.desired;
        await this.#apply(tried);
      }
    } finally {
      this.pending = false;
      this.desired = this.#actual();
    }
  }

  toggle(): Promise<void> {
    return this.set(!this.shown);
  }
}
