import { m } from '$src/i18n';
import type { Commands, OwnTest } from './backend';
import { faultOf } from './backend';
import { sentence } from './faults';

export interface OwnFormOptions {
  commands: Pick<Commands, 'testOwn' | 'useOwn'>;
  onused: (address: string) => void;
}

const ofAddress = new Set(['relay-address-invalid', 'relay-is-link']);

/** The field in which an address from outside is tested and taken. */
export class OwnForm {
  /** What is under way. */
  busy = $state<'test' | 'use'>();
  /** What was seen through the address. */
  seen = $state.raw<OwnTest>();

  #address = $state('');
  #fault = $state.raw<{ code: string; words: string }>();
  #round = 0; // answers to what was typed before count no more
  readonly #options: OwnFormOptions;

  constructor(options: OwnFormOptions) {
    this.#options = options;
  }

  get address(): string {
    return this.#address;
  }
  set address(typed: string) {
    this.#address = typed;
    this.#forget();
  }

  /** Nothing was typed. */
  empty = $derived.by(() => this.#address.trim() === '');
  addressError = $derived.by(() =>
    this.#fault && ofAddress.has(this.#fault.code) ? this.#fault.words : undefined,
  );
  /** Why nothing was seen. */
  error = $derived.by(() =>
    this.#fault && !ofAddress.has(this.#fault.code) ? this.#fault.words : undefined,
  );

  /** Looks through the address. */
  test(): Promise<void> {
    return this.#run('test', async (address) => {
      const seen = await this.#options.commands.testOwn(address);
      return () => {
        this.seen = seen;
      };
    });
  }

  /** Takes the address, whether or not anything is seen there. */
  use(): Promise<void> {
    return this.#run('use', async (address) => {
      await this.#options.commands.useOwn(address);
      return () => {
        this.clear();
        this.#options.onused(address);
      };
    });
  }

  clear(): void {
    this.#address = '';
    this.#forget();
  }

  async #run(what: 'test' | 'use', ask: (address: string) => Promise<() => void>): Promise<void> {
    if (this.busy || this.empty) return;
    this.#forget();
    const round = this.#round;
    this.busy = what;
    try {
      const take = await ask(this.#address);
      if (round === this.#round) take();
    } catch (reason) {
      const { code, message } = faultOf(reason);
      if (round === this.#round)
        this.#fault = {
          code,
          words: code === 'relay-address-invalid' ? m.host_own_invalid() : sentence(code, message),
        };
    } finally {
      if (round === this.#round) this.busy = undefined;
    }
  }

  #forget(): void {
    this.#round++;
    this.busy = undefined;
    this.seen = undefined;
    this.#fault = undefined;
  }
}
