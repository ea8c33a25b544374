/** A short word about what has just happened, or what has just gone wrong. */
export interface Toast {
  id: number;
  text: string;
  kind: 'word' | 'fault';
}

/** The words on show, newest last. Words go by themselves; faults stay until they are closed. */
export class Toasts {
  shown = $state<Toast[]>([]);
  #next = 1;
  readonly #linger: number;

  /** linger is how long a word stays, in milliseconds. */
  constructor(linger = 4000) {
    this.#linger = linger;
  }

  word(text: string): void {
    const id = this.#add(text, 'word');
    setTimeout(() => this.close(id), this.#linger);
  }

  fault(text: string): void {
    this.#add(text, 'fault');
  }

  close(id: number): void {
    this.shown = this.shown.filter((toast) => toast.id !== id);
  }

  // The same words again take the place of the old ones instead of piling up.
  #add(text: string, kind: Toast['kind']): number {
    const id = this.#next++;
    this.shown = [...this.shown.filter((toast) => toast.text !== text), { id, text, kind }].slice(
      -3,
    );
    return id;
  }
}
