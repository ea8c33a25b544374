import type { Commands, RelayOffer, RelayView } from './backend';
import { faultOf } from './backend';
import { sentence } from './faults';

export interface RelayFormOptions {
  commands: Pick<Commands, 'testRelay' | 'addRelay'>;
  onadded: (relay: RelayView) => void;
}

const ofAddress = new Set(['relay-address-invalid', 'relay-is-link']);
const ofInvitation = new Set(['invitation-invalid', 'invitation-wanted', 'invitation-refused']);

/** The two fields by which a relay is tested and added. */
export class RelayForm {
  /** What is under way. */
  busy = $state<'test' | 'add'>();
  /** What the relay that was tested offers. */
  offer = $state.raw<RelayOffer>();

  #address = $state('');
  #invitation = $state('');
  #fault = $state.raw<{ code: string; words: string }>();
  #round = 0; // answers to what was typed before count no more
  readonly #options: RelayFormOptions;

  constructor(options: RelayFormOptions) {
    this.#options = options;
  }

  get address(): string {
    return this.#address;
  }
  set address(typed: string) {
    this.#address = typed;
    this.#forget();
  }

  get invitation(): string {
    return this.#invitation;
  }
  set invitation(typed: string) {
    this.#invitation = typed;
    this.#forget();
  }

  /** Nothing was typed. */
  empty = $derived.by(() => this.#address.trim() === '');

  addressError = $derived.by(() => this.#wordsOf((code) => ofAddress.has(code)));
  invitationError = $derived.by(() => this.#wordsOf((code) => ofInvitation.has(code)));
  /** Why not, when it is about neither of the fields. */
  error = $derived.by(() =>
    this.#wordsOf((code) => !ofAddress.has(code) && !ofInvitation.has(code)),
  );

  /** Asks the relay what it offers. */
  test(): Promise<void> {
    return this.#run('test', async (address, invitation) => {
      const offer = await this.#options.commands.testRelay(address, invitation);
      return () => {
        this.offer = offer;
      };
    });
  }

  /** Adds the relay, whether or not it can be reached. */
  add(): Promise<void> {
    return this.#run('add', async (address, invitation) => {
      const relay = await this.#options.commands.addRelay(address, invitation);
      return () => {
        this.clear();
        this.#options.onadded(relay);
      };
    });
  }

  /** Begins anew, with the address of a relay that wants an invitation or with nothing. */
  clear(address = ''): void {
    this.#address = address;
    this.#invitation = '';
    this.#forget();
  }

  async #run(
    what: 'test' | 'add',
    ask: (address: string, invitation: string) => Promise<() => void>,
  ): Promise<void> {
    if (this.busy || this.empty) return;
    this.#forget();
    const round = this.#round;
    this.busy = what;
    try {
      const take = await ask(this.#address, this.#invitation);
      if (round === this.#round) take();
    } catch (reason) {
      const { code, message } = faultOf(reason);
      if (round === this.#round) this.#fault = { code, words: sentence(code, message) };
    } finally {
      if (round === this.#round) this.busy = undefined;
    }
  }

  #forget(): void {
    this.#round++;
    this.busy = undefined;
    this.offer = undefined;
    this.#fault = undefined;
  }

  #wordsOf(about: (code: string) => boolean): string | undefined {
    const fault = this.#fault;
    return fault && about(fault.code) ? fault.words : undefined;
  }
}
