import { faultOf } from './backend';
import { sentence } from './faults';

/** What a form asks for, one thing at a time, and why it did not get it. */
export class Asking<What extends string> {
  /** What is under way. */
  busy = $state<What>();

  #fault = $state.raw<{ code: string; words: string }>();
  #round = 0; // answers to what was typed before count no more
  readonly #words: (code: string, message: string) => string;

  /** words says a fault to the person. */
  constructor(words = sentence) {
    this.#words = words;
  }

  /** Asks. What ask returns is done unless forget was called meanwhile. It is called before, too. */
  async run(what: What, ask: () => Promise<() => void>): Promise<void> {
    const round = this.#round;
    this.busy = what;
    try {
      const take = await ask();
      if (round === this.#round) take();
    } catch (reason) {
      const { code, message } = faultOf(reason);
      if (round === this.#round) this.#fault = { code, words: this.#words(code, message) };
    } finally {
      if (round === this.#round) this.busy = undefined;
    }
  }

  /** Begins anew. */
  forget(): void {
    this.#round++;
    this.busy = undefined;
    this.#fault = undefined;
  }

  /** What went wrong, if it is about this. */
  wordsOf(about: (code: string) => boolean): string | undefined {
    const fault = this.#fault;
    return fault && about(fault.code) ? fault.words : undefined;
  }
}
