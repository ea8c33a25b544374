import { m } from '$src/i18n';
import { Asking } from './asking.svelte';
import type { Commands, OwnTest } from './backend';
import { sentence } from './faults';

export interface OwnFormOptions {
  commands: Pick<Commands, 'testOwn' | 'useOwn'>;
  onused: (address: string) => void;
}

const ofAddress = new Set(['relay-address-invalid', 'relay-is-link']);

/** The field in which an address from outside is tested and taken. */
export class OwnForm {
  /** What was seen through the address. */
  seen = $state.raw<OwnTest>();

  #address = $state('');
  readonly #asking = new Asking<'test' | 'use'>((code, message) =>
    code === 'relay-address-invalid' ? m.host_own_invalid() : sentence(code, message),
  );
  readonly #options: OwnFormOptions;

  constructor(options: OwnFormOptions) {
    this.#options = options;
  }

  /** What is under way. */
  get busy(): 'test' | 'use' | undefined {
    return this.#asking.busy;
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
  addressError = $derived.by(() => this.#asking.wordsOf((code) => ofAddress.has(code)));
  /** Why nothing was seen. */
  error = $derived.by(() => this.#asking.wordsOf((code) => !ofAddress.has(code)));

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

  #run(what: 'test' | 'use', ask: (address: string) => Promise<() => void>): Promise<void> {
    if (this.busy || this.empty) return Promise.resolve();
    this.#forget();
    return this.#asking.run(what, () => ask(this.#address));
  }

  #forget(): void {
    this.seen = undefined;
    this.#asking.forget();
  }
}
