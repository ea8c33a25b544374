import { best, textsOf, use } from '$src/i18n/load';
import { sayAlso } from '$src/i18n/say';
import type { Memory } from './memory';

const door = import.meta.glob('../src/i18n/generated/guest/door.*.ts');

/** The language of the guest's page: the one chosen here before, or the browser's. */
class Language {
  /** The one that is spoken; what is on the screen is drawn anew when it changes. */
  now = $state('en');
  #memory: Memory | undefined;
  #rest: Promise<void> | undefined;

  /** Loads what is said at the door, before anything is drawn. */
  async begin(memory: Memory): Promise<void> {
    this.#memory = memory;
    const wanted = best([memory.language, ...navigator.languages]);
    use(wanted, (await textsOf(wanted, door)).default);
    this.now = wanted;
  }

  /** Loads a part of the page that is not drawn at once, and its words. */
  later<T>(load: () => Promise<T>): Promise<T> {
    this.#rest ??= textsOf(this.now, door)
      .then(({ rest }) => rest())
      .then((rest) => sayAlso(rest.default));
    this.#rest.catch(() => {
      this.#rest = undefined; // tried again with the next part
    });
    return Promise.all([load(), this.#rest]).then(([part]) => part);
  }

  /** Without the network the page stays as it is. */
  async choose(locale: string): Promise<void> {
    const first = await textsOf(locale, door);
    const more = await first.rest();
    use(locale, [...first.default, ...more.default]);
    this.#rest = Promise.resolve();
    this.now = locale;
    if (this.#memory) this.#memory.language = locale;
  }
}

export const language = new Language();
