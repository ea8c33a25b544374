/** How long somebody else speaks until the stage is theirs, in milliseconds: while its owner is silent, and while they speak. */
const silent = 500;
const both = 2000;

/**
 * Who has the stage of the speaker view by speaking. A cough, or two people who talk at once, do not make the large picture
 * jump. Pure: now is the time in milliseconds.
 */
export class Front {
  /** Id of who has the stage, '' before anybody has spoken. */
  id = '';
  #rival = '';
  #since = 0;

  /** Takes who speaks now, loudest first. Returns when it has to be asked again, if nothing is heard until then. */
  hear(ids: readonly string[], now: number): number | undefined {
    const [loudest = ''] = ids;
    if (loudest === '' || loudest === this.id) {
      this.#rival = '';
      return undefined;
    }
    if (this.id === '') {
      this.id = loudest;
      return undefined;
    }
    if (this.#rival !== loudest) {
      this.#rival = loudest;
      this.#since = now;
    }
    const due = this.#since + (ids.includes(this.id) ? both : silent);
    if (now < due) return due;
    this.id = loudest;
    this.#rival = '';
    return undefined;
  }

  forget(id: string): void {
    if (this.id === id) this.id = '';
    if (this.#rival === id) this.#rival = '';
  }
}
