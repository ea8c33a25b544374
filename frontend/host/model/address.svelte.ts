import type { LinkView } from './backend';

/** Which of a link's addresses is handed over: the chosen one while the link has it, the best to share otherwise. */
export class ChosenAddress {
  readonly #link: () => LinkView | undefined;
  #chosen = $state('');

  constructor(link: () => LinkView | undefined) {
    this.#link = link;
  }

  /** '' chooses none. */
  get url(): string {
    const addresses = this.#link()?.addresses ?? [];
    return (addresses.find(({ url }) => url === this.#chosen) ?? addresses[0])?.url ?? '';
  }

  set url(chosen: string) {
    this.#chosen = chosen;
  }
}
