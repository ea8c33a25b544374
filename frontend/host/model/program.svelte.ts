import type { Backend, Program } from './backend';

/** The app as a program of this computer: what it knows of itself, and what the host can have done with it. */
export class ProgramModel {
  /** undefined until it is known. */
  now = $state.raw<Program>();
  /** The newer version that the host does not want to see now. */
  #unwanted = $state('');
  readonly #backend: Backend;
  readonly #run: (command: Promise<unknown>) => Promise<boolean>;

  constructor(backend: Backend, run: (command: Promise<unknown>) => Promise<boolean>) {
    this.#backend = backend;
    this.#run = run;
  }

  /** A newer version to tell of. */
  newer = $derived.by(() => {
    const newer = this.now?.newer;
    return newer?.version && newer.version !== this.#unwanted ? newer : undefined;
  });

  /** Asks what is known; keeps it up to date from then on until the returned function is called. */
  open(): () => void {
    void this.#look();
    return this.#backend.watchProgram(() => void this.#look());
  }

  later(): void {
    this.#unwanted = this.now?.newer.version ?? '';
  }

  /** Gives a command, and looks what came of it. Resolves to whether it went well. */
  async do(command: (backend: Backend) => Promise<unknown>): Promise<boolean> {
    const well = await this.#run(command(this.#backend));
    await this.#look();
    return well;
  }

  async #look(): Promise<void> {
    try {
      this.now = await this.#backend.program();
    } catch {
      // An app that has not opened says so elsewhere.
    }
  }
}
