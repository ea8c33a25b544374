import type { GuestMessage, Participant } from '$src/transport';

/** The reactions that there are, and how they are drawn. */
export const reactions = [
  ['heart', '❤️'],
  ['thumb', '👍'],
  ['clap', '👏'],
  ['laugh', '😂'],
  ['wow', '😮'],
  ['party', '🎉'],
] as const;
export type ReactionWord = (typeof reactions)[number][0];

/** A reaction that is on the screen. */
export interface Shown {
  id: number;
  participant: string;
  name: string;
  word: ReactionWord;
}

/** What has just happened with hands and the spotlight. */
export type GestureNotice =
  | { kind: 'hand' | 'spotlight'; name: string }
  | { kind: 'hand-lowered' | 'spotlight-own' };

export interface GesturesOptions {
  /** Sends a message; false while the channel is away. */
  send: (message: GuestMessage) => boolean;
  you: () => string;
  nameOf: (participant: string) => string | undefined;
  notice: (notice: GestureNotice) => void;
}

/** How long a reaction is on the screen, and how often one is sent at most, in milliseconds; and how many are shown at once. */
const lasting = 4000;
const pause = 400;
const most = 24;

/** What people in a call say without words: hands, reactions, and whose picture is large for all. */
export class Gestures {
  /** What the host takes. */
  takes = $state.raw<ReadonlySet<string>>(new Set());
  /** Reactions on the screen, the oldest first. */
  shown = $state.raw<readonly Shown[]>([]);
  /** Whose picture is large for all; '' for nobody's. */
  spotlight = $state('');
  /** Newcomers read what was said before; known to whoever may say it. */
  earlier = $state(false);

  readonly #options: GesturesOptions;
  #next = 0;
  #sentAt = Number.NEGATIVE_INFINITY;
  #lowering = false; // at the own wish
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();

  constructor(options: GesturesOptions) {
    this.#options = options;
  }

  /** Takes a roster. */
  greet(takes: readonly string[] = [], spotlight = '', earlier = false): void {
    this.takes = new Set(takes);
    this.spotlight = spotlight;
    this.earlier = earlier;
  }

  /** Shows a reaction to all. One that comes too soon after another is left out: they are many already. */
  react(word: ReactionWord): void {
    const now = performance.now();
    if (now - this.#sentAt < pause) return;
    if (this.#options.send({ type: 'react', payload: { reaction: word } })) this.#sentAt = now;
  }

  /** Takes somebody's reaction; words that this page does not know are left out. */
  reacted(participant: string, reaction: string): void {
    const word = reactions.find(([known]) => known === reaction)?.[0];
    const name = this.#options.nameOf(participant);
    if (!word || name === undefined) return;
    const id = this.#next++;
    this.shown = [...this.shown, { id, participant, name, word }].slice(-most);
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.shown = this.shown.filter((one) => one.id !== id);
    }, lasting);
    this.#timers.add(timer);
  }

  /** Raises the own hand, or lowers one: the own, or as the host another's. */
  raise(up: boolean, participant = ''): void {
    this.#lowering = !up && participant === '';
    this.#options.send({
      type: 'hand',
      payload: { up, ...(participant && { participant }) },
    });
  }

  /** Takes what was known of somebody, and what is. */
  changed(before: Participant | undefined, now: Participant): void {
    const own = now.id === this.#options.you();
    if (!before?.hand && now.hand && !own) this.#options.notice({ kind: 'hand', name: now.name });
    if (own && before?.hand && !now.hand) {
      if (!this.#lowering) this.#options.notice({ kind: 'hand-lowered' });
      this.#lowering = false;
    }
  }

  /** Makes somebody's picture large for all, or nobody's. */
  light(participant: string): void {
    this.#options.send({ type: 'spotlight', payload: { participant } });
  }

  /** Takes whose picture is large for all. */
  lit(participant: string): void {
    if (this.spotlight === participant) return;
    this.spotlight = participant;
    if (participant === '') return;
    if (participant === this.#options.you()) this.#options.notice({ kind: 'spotlight-own' });
    else {
      const name = this.#options.nameOf(participant);
      if (name !== undefined) this.#options.notice({ kind: 'spotlight', name });
    }
  }

  /** Says whether newcomers may read what was said before. */
  showEarlier(on: boolean): void {
    if (this.#options.send({ type: 'earlier', payload: { on } })) this.earlier = on;
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.shown = [];
  }
}
