import { SvelteSet } from 'svelte/reactivity';
import type { Commands, RequestView } from './backend';
import { faultOf } from './backend';
import { Looking } from './looking';

/** Join requests of one link. */
export interface RequestGroup {
  linkId: string;
  linkName: string;
  requests: RequestView[];
}

export interface RequestsOptions {
  commands: Pick<
    Commands,
    | 'admit'
    | 'decline'
    | 'askToWait'
    | 'seeRequests'
    | 'alwaysLetIn'
    | 'writeTo'
    | 'block'
    | 'admitAll'
    | 'declineAll'
  >;
  /** Somebody knocks whose bell may ring in the window. */
  onknock: (request: RequestView) => void;
  /** The bell rings again for some who still wait. */
  onring?: () => void;
  onfault: (reason: unknown) => void;
}

/** Who asks to be let in, and what the host has answered but the app has not yet confirmed. */
export class Requests {
  all = $state.raw<RequestView[]>([]);
  readonly #deciding = new SvelteSet<string>();
  #rings: Map<string, number> | undefined;
  readonly #options: RequestsOptions;

  /** Which cards the host has looked at. */
  readonly looking: Looking;

  constructor(options: RequestsOptions) {
    this.#options = options;
    this.looking = new Looking((ids) => {
      // Only says what the host does; a card that is still unseen says it again.
      options.commands.seeRequests(ids).catch(() => {});
    });
  }

  /** Those that are not silenced: counted in the title. */
  ringing = $derived(this.all.filter((request) => request.bell !== 'silenced'));

  /** By link, each in the order of knocking; the link whose first guest waits longest first. */
  groups = $derived.by(() => {
    const found = new Map<string, RequestGroup>();
    for (const request of this.all) {
      const group = found.get(request.linkId);
      if (group) group.requests.push(request);
      else
        found.set(request.linkId, {
          linkId: request.linkId,
          linkName: request.linkName,
          requests: [request],
        });
    }
    return [...found.values()];
  });

  /** Takes the app's list. Those of the first list were announced before this window opened. */
  take(requests: RequestView[]): void {
    this.all = requests;
    const before = this.#rings;
    const rings = new Map(requests.map(({ id, rings }) => [id, rings]));
    this.#rings = rings;
    this.looking.keep((id) => rings.has(id));
    for (const id of this.#deciding) if (!rings.has(id)) this.#deciding.delete(id);
    if (!before) return;
    let again = false;
    for (const request of requests) {
      const rang = before.get(request.id);
      if (request.bell !== 'rung') continue;
      if (rang === undefined) this.#options.onknock(request);
      else if (request.rings > rang) again = true;
    }
    if (again) this.#options.onring?.();
    // A card that the host has before their eyes all the time is seen anew with each ring.
    for (const { id, seen } of requests) if (!seen) this.looking.unseen(id);
  }

  /** Whether the host's answer is on its way. */
  deciding(id: string): boolean {
    return this.#deciding.has(id);
  }

  admit = (id: string) => this.#decide([id], () => this.#options.commands.admit(id));
  decline = (id: string) => this.#decide([id], () => this.#options.commands.decline(id));
  alwaysLetIn = (id: string, everywhere: boolean) =>
    this.#decide([id], () => this.#options.commands.alwaysLetIn(id, everywhere));
  block = (id: string) => this.#decide([id], () => this.#options.commands.block(id));
  admitAll = (group: RequestGroup) =>
    this.#decide(idsOf(group), () => this.#options.commands.admitAll(group.linkId, idsOf(group)));
  declineAll = (group: RequestGroup) =>
    this.#decide(idsOf(group), () => this.#options.commands.declineAll(group.linkId, idsOf(group)));

  /** The request stays: its guest is told that the host has seen it. */
  askToWait = async (id: string, minutes = 0): Promise<void> => {
    await this.#run([id], () => this.#options.commands.askToWait(id, minutes));
    this.#deciding.delete(id);
  };

  /** Says a line to a guest who waits; resolves to whether it went out. */
  write = async (id: string, text: string): Promise<boolean> => {
    try {
      await this.#options.commands.writeTo(id, text);
      return true;
    } catch (reason) {
      this.#options.onfault(reason);
      return false;
    }
  };

  async #decide(ids: string[], command: () => Promise<void>): Promise<void> {
    // Answered, the requests go from the list and with them the marks; see take.
    await this.#run(ids, command);
  }

  async #run(ids: string[], command: () => Promise<void>): Promise<void> {
    const free = ids.filter((id) => !this.#deciding.has(id));
    if (free.length === 0) return;
    for (const id of free) this.#deciding.add(id);
    try {
      await command();
    } catch (reason) {
      for (const id of free) this.#deciding.delete(id);
      // Decided elsewhere, or the guest has gone: the list says so already.
      if (faultOf(reason).code !== 'request-gone') this.#options.onfault(reason);
    }
  }
}

const idsOf = (group: RequestGroup) => group.requests.map((request) => request.id);
