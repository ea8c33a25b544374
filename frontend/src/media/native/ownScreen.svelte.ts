import type { OwnScreen, ScreenChoice, ScreenFault } from '$src/media/engine';
import type { OwnScreenState, Screens } from '$src/transport';

export interface OwnScreenOptions {
  /** Asks the app which screens there are; take gets the answer. */
  list: () => void;
  /** Makes the app open a screen, or close it ('' ); tell gets the answer. */
  share: (id: string) => void;
}

type Opened = { sound: boolean } | ScreenFault;

/** A screen of this computer, which the app opens (backend/media/capture). The window asks which. */
export class NativeScreen implements OwnScreen {
  onended: (() => void) | null = null;
  choice = $state.raw<ScreenChoice>();

  readonly #options: OwnScreenOptions;
  #opened: ((opened: Opened) => void) | undefined;
  #open = false;

  constructor(options: OwnScreenOptions) {
    this.#options = options;
  }

  open(): Promise<Opened> {
    this.close();
    return new Promise((resolve) => {
      this.#opened = resolve;
      this.#options.list();
    });
  }

  /** The app says what there is to choose from. */
  take({ screens, fault }: Screens): void {
    if (this.#opened) this.choice = { screens, fault };
  }

  choose(id: string): void {
    if (!this.choice) return;
    this.choice = undefined;
    if (id) this.#options.share(id);
    else this.#answer('screen-refused');
  }

  /** The app says whether a screen is open. */
  tell({ open, fault }: OwnScreenState): void {
    if (this.#opened && !this.choice) {
      this.#open = open;
      if (open) this.#answer({ sound: false });
      else if (fault) this.#answer('screen-missing');
    } else if (this.#open && !open) {
      this.#open = false;
      this.onended?.();
    }
  }

  close(): void {
    const open = this.#open || (this.#opened && !this.choice);
    this.choice = undefined;
    this.#open = false;
    if (open) this.#options.share('');
    this.#answer('screen-refused');
  }

  #answer(opened: Opened): void {
    const answer = this.#opened;
    this.#opened = undefined;
    answer?.(opened);
  }
}
