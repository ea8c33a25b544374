import { createSubscriber } from 'svelte/reactivity';

/** The time that "12 seconds ago" is told from: it moves only while something on the screen reads it. */
class Clock {
  readonly #subscribe = createSubscriber((update) => {
    const timer = setInterval(update, 1000);
    return () => clearInterval(timer);
  });

  /** Unix milliseconds. Read where something is drawn, it is read again each second. */
  get now(): number {
    this.#subscribe();
    return Date.now();
  }
}

export const clock = new Clock();
