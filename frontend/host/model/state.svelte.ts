import type { Change, Commands, State } from './backend';

/** What is known before the first snapshot. */
export const nothing: State = {
  revision: 0,
  me: { name: '' },
  reach: {
    kind: 'computer',
    addresses: [],
    relays: [],
    newLinks: '',
    relayOnly: false,
    doors: false,
    who: 'anywhere',
    own: { url: '', name: '', state: '', counted: false },
    router: {
      on: false,
      state: 'off',
      external: '',
      address: '',
      by: '',
      until: 0,
      pinhole: false,
    },
    funnel: '',
  },
  links: [],
  requests: [],
  calls: [],
  deeds: [],
  settings: {
    engine: 'auto',
    camera: '',
    sound: '',
    effect: '',
    microphone: '',
    speaker: '',
    theme: 'system',
    bellSound: true,
    notifications: true,
    language: '',
    welcomed: true, // until it is known
    shareText: '',
    keepAwake: true,
    seatsMove: true,
  },
  engines: { native: false, synthetic: false },
  standings: [],
};

type Row = { readonly id: string };

/** A list with one row another: as it came, but for the fields that come apart. A new one is the last; null takes it away. */
function withRow(rows: Row[], id: string, field: string | undefined, value: unknown): Row[] {
  const row = rows.find((one) => one.id === id);
  if (field !== undefined)
    return rows.map((one) => (one === row ? { ...one, [field]: value } : one));
  if (value === null) return rows.filter((one) => one !== row);
  if (!row) return [...rows, value as Row];
  return rows.map((one) => (one === row ? { ...apart(row), ...(value as Row) } : one));
}

/** What of a row comes apart from it. */
const apart = (row: Row): object => ('picture' in row ? { picture: row.picture } : {});

/**
 * The app's state as the window knows it: a snapshot, then changes. Changes that
 * come before the snapshot wait for it; one that does not join on to what is known
 * makes the window ask for a new snapshot. First connection and reconnection are
 * the same path.
 */
export class HostState {
  /** What is shown. Replaced key by key; its values are never changed in place. */
  now = $state.raw<State>(nothing);
  /** Whether the first snapshot is here. */
  ready = $state(false);

  readonly #snapshot: Commands['snapshot'];
  readonly #onchange: () => void;
  #asking: Promise<void> | undefined;
  #early: Change[] = [];

  /** onchange is called whenever something new is known, also when that took a snapshot that nobody waits for. */
  constructor(snapshot: Commands['snapshot'], onchange: () => void = () => {}) {
    this.#snapshot = snapshot;
    this.#onchange = onchange;
  }

  /** Takes a new snapshot; callers that come meanwhile share it. Rejects with a fault. */
  sync(): Promise<void> {
    this.#asking ??= this.#take().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #take(): Promise<void> {
    const taken = await this.#snapshot();
    this.now = taken;
    this.ready = true;
    const early = this.#early.sort((one, other) => one.revision - other.revision);
    this.#early = [];
    for (const change of early) this.#join(change);
    this.#onchange();
  }

  apply(change: Change): void {
    if (this.#asking || !this.ready) {
      this.#early.push(change);
    } else if (change.from > this.now.revision) {
      // One was missed, or overtaken by this one.
      this.#early.push(change);
      // The app may be closing; the next change tries again.
      this.sync().catch(() => {});
    } else {
      this.#join(change);
      this.#onchange();
    }
  }

  #join(change: Change): void {
    const { from, ...keys } = change;
    if (change.revision <= this.now.revision || from > this.now.revision) return;
    const next: Record<string, unknown> = { ...this.now };
    // Lists before their rows, and rows before what is apart from them.
    const parts = Object.entries(keys).map(([key, value]) => ({ path: key.split('/'), value }));
    for (const { path, value } of parts.sort((a, b) => a.path.length - b.path.length)) {
      const [key, id, field] = path as [string, string?, string?];
      next[key] =
        id === undefined ? (value ?? undefined) : withRow(next[key] as Row[], id, field, value);
    }
    this.now = next as unknown as State;
  }
}
