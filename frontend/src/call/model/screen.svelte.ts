import type { GuestMessage, Screen } from '$src/transport';
import type { OwnScreen, ScreenFault } from '../../media/engine';

/** What has just happened to a shared screen. name is whose it is. */
export type ScreenNotice =
  | { kind: 'screen-begun' | 'screen-over' | 'screen-taken'; name: string }
  | { kind: 'screen-stopped' }
  | { kind: ScreenFault };

export interface SharingOptions {
  /** The engine's; missing where the own screen can't be shared. */
  screen: OwnScreen | undefined;
  /** Sends a message; false while the channel is away. */
  send: (message: GuestMessage) => boolean;
  /** Id of the own participant, and the names of the others. */
  you: () => string;
  nameOf: (participant: string) => string;
  notice: (notice: ScreenNotice) => void;
}

/**
 * The screen that is shared in a call, by whomever. There is one at most: the host says whose. Who shares is asked once
 * before theirs takes the place of another's.
 */
export class Sharing {
  /** Whose screen is shared, as the host says; '' for none. */
  participant = $state('');
  /** The own one: the person chooses what to share; the host is asked; it is shared. */
  own = $state<'off' | 'choosing' | 'asked' | 'on'>('off');
  /** The person is asked whether theirs takes the place of the other one. */
  asking = $state(false);
  /** The host can do it. */
  taken = $state(false);

  readonly #options: SharingOptions;
  #sound = false;
  #instead = ''; // whose screen the own one is to replace

  constructor(options: SharingOptions) {
    this.#options = options;
    if (options.screen) options.screen.onended = () => this.stop();
  }

  /** Whether the own screen can be shared here. */
  get possible(): boolean {
    return this.taken && this.#options.screen !== undefined;
  }

  /** Whether the own screen is shared, or is about to be. */
  get presenting(): boolean {
    return this.own === 'asked' || this.own === 'on';
  }

  /** Whose screen is shared, if it is another's. */
  get other(): string {
    return this.participant === this.#options.you() ? '' : this.participant;
  }

  /** Shares the own screen, or asks first whether it is to replace another's. To be called from a press. */
  share(): void {
    if (this.own !== 'off') return;
    if (this.other) this.asking = true;
    else void this.#choose('');
  }

  /** The answer to asking. To be called from a press. */
  answer(instead: boolean): void {
    this.asking = false;
    if (instead && this.own === 'off') void this.#choose(this.other);
  }

  /** The host says whose screen is shared. */
  take({ participant }: Screen): void {
    const { you, nameOf, notice } = this.#options;
    const before = this.participant;
    this.participant = participant;
    if (participant === you()) {
      if (this.presenting) this.own = 'on';
      else this.#end(); // it ended while the host could not be told
      return;
    }
    if (!participant) this.asking = false;
    // While the host is asked, what it said before that may still arrive.
    const stale = this.own === 'asked' && (participant === '' || participant === this.#instead);
    if (this.presenting && !stale) {
      this.close();
      if (participant) notice({ kind: 'screen-taken', name: nameOf(participant) });
      else notice({ kind: 'screen-stopped' });
    } else if (participant !== before) {
      if (participant) notice({ kind: 'screen-begun', name: nameOf(participant) });
      else if (before !== you()) notice({ kind: 'screen-over', name: nameOf(before) });
    }
  }

  /** The channel is there, perhaps anew. host: it takes the sharing of screens. */
  greet(host: boolean): void {
    this.taken = host;
    if (!this.presenting) return;
    if (host) this.#ask();
    else this.stop();
  }

  /** The host has refused something. */
  refused(): void {
    if (this.own === 'asked') this.close();
  }

  async #choose(instead: string): Promise<void> {
    const { screen, notice } = this.#options;
    if (!screen) return;
    this.own = 'choosing';
    const opened = await screen.open();
    if (this.own !== 'choosing') {
      screen.close(); // the call has ended meanwhile
      return;
    }
    if (typeof opened === 'string') {
      this.own = 'off';
      notice({ kind: opened });
      return;
    }
    this.#sound = opened.sound;
    this.#instead = instead;
    this.#ask();
  }

  /** Asks the host; while the channel is away, greet does it again. */
  #ask(): void {
    const instead = this.#instead;
    this.own = 'asked';
    this.#options.send({
      type: 'sharing',
      payload: { on: true, sound: this.#sound, ...(instead && { instead }) },
    });
  }

  #end(): void {
    this.#options.send({ type: 'sharing', payload: { on: false } });
  }

  /** The own screen is not to be shared any more. */
  stop(): void {
    if (!this.presenting) return;
    this.close();
    this.#end();
    this.#options.notice({ kind: 'screen-stopped' });
  }

  /** Lets go of the own screen without a word, as when the call is over. Twice is fine. */
  close(): void {
    this.#options.screen?.close();
    this.own = 'off';
    this.#instead = '';
  }
}
