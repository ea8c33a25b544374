/** How long a card must be before the host's eyes, in milliseconds: whoever glances past has not looked. */
const glance = 1000;

/** Where the host's attention is. */
export interface Attention {
  /** Whether this page has the keyboard and is on the screen. */
  here(): boolean;
  /** Calls onchange whenever that may have changed; the returned function stops it. */
  watch(onchange: () => void): () => void;
}

const page: Attention = {
  here: () => document.hasFocus() && document.visibilityState === 'visible',
  watch(onchange) {
    const stop = new AbortController();
    const { signal } = stop;
    for (const type of ['focus', 'blur']) addEventListener(type, onchange, { signal });
    document.addEventListener('visibilitychange', onchange, { signal });
    return () => stop.abort();
  },
};

/**
 * Whether the host has looked at the cards of requests: the window is focused, and the card has been on the screen for a
 * second. The bell goes on for the others.
 */
export class Looking {
  readonly #shown = new Set<string>();
  readonly #said = new Set<string>();
  readonly #saw: (ids: string[]) => void;
  readonly #attention: Attention;
  #unwatch: (() => void) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(saw: (ids: string[]) => void, attention: Attention = page) {
    this.#saw = saw;
    this.#attention = attention;
  }

  /** A card comes onto the screen, or leaves it. */
  show(id: string, on: boolean): void {
    if (on) this.#shown.add(id);
    else this.#shown.delete(id);
    this.#look();
  }

  /** The app says that the host has not looked at this one, since the bell rang for it. */
  unseen(id: string): void {
    if (this.#said.delete(id)) this.#look();
  }

  /** Forgets requests that are gone. */
  keep(here: (id: string) => boolean): void {
    for (const ids of [this.#shown, this.#said])
      for (const id of ids) if (!here(id)) ids.delete(id);
  }

  #look = (): void => {
    const { here, watch } = this.#attention;
    if (this.#shown.size > 0) this.#unwatch ??= watch(this.#look);
    else {
      this.#unwatch?.();
      this.#unwatch = undefined;
    }
    const fresh = () => [...this.#shown].filter((id) => !this.#said.has(id));
    if (!here() || fresh().length === 0) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      return;
    }
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      const ids = fresh();
      if (ids.length === 0 || !here()) return;
      for (const id of ids) this.#said.add(id);
      this.#saw(ids);
    }, glance);
  };
}
