import { Asking } from './asking.svelte';
import type { Commands, RelayOffer, RelayView } from './backend';

export interface RelayFormOptions {
  commands: Pick<Commands, 'testRelay' | 'addRelay'>;
  onadded: (relay: RelayView) => void;
}

const ofAddress = new Set(['relay-address-invalid', 'relay-is-link']);
const ofInvitation = new Set(['invitation-invalid', 'invitation-wanted', 'invitation-refused']);

/** The two fields by which a relay is tested and added. */
export class RelayForm {
  /** What the relay that was tested offers. */
  offer = $state.raw<RelayOffer>();

  #address = $state('');
  #invitation = $state('');
  readonly #asking = new Asking<'test' | 'add'>();
  readonly #options: RelayFormOptions;

  constructor(options: RelayFormOptions) {
    this.#options = options;
  }

  /** What is under way. */
  get busy(): 'test' | 'add' | undefined {
    return this.#asking.busy;
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

  addressError = $derived.by(() => this.#asking.wordsOf((code) => ofAddress.has(code)));
  invitationError = $derived.by(() => this.#asking.wordsOf((code) => ofInvitation.has(code)));
  /** Why not, when it is about neither of the fields. */
  error = $derived.by(() =>
    this.#asking.wordsOf((code) => !ofAddress.has(code) && !ofInvitation.has(code)),
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

  #run(
    what: 'test' | 'add',
    ask: (address: string, invitation: string) => Promise<() => void>,
  ): Promise<void> {
    if (this.busy || this.empty) return Promise.resolve();
    this.#forget();
    return this.#asking.run(what, () => ask(this.#address, this.#invitation));
  }

  #forget(): void {
    this.offer = undefined;
    this.#asking.forget();
  }
}
