import type {
  Admitted,
  ChatLine,
  Deed,
  Door,
  GuestMessage,
  HostMessage,
  Line,
  Participant,
} from '$src/transport';
import { randomToken } from '$src/transport/bytes';
import { maxText } from '$src/transport/generated/signalling';
import { isolated } from '$src/ui/names';
import { type ChosenDevice, type MediaEngine, OWN } from '../../media/engine';
import { ViewReport } from '../../media/view';
import { type FileNotice, Files } from './files.svelte';
import { DataWay, type FileWay } from './fileWay';
import { Front } from './front';
import { type GestureNotice, Gestures } from './gestures.svelte';
import type { Corner } from './layout';
import { linked, type Piece } from './linked';
import { Recorded, type RecordingNotice } from './recording.svelte';
import { type ScreenNotice, Sharing } from './screen.svelte';
import { Switch } from './switch.svelte';

/** A participant as the views draw them. */
export interface Person extends Participant {
  /** This page's own participant. */
  own: boolean;
  /** The key for the engine's pictures. */
  picture: string;
  speaking: boolean;
  /** Whose line has no room for the picture, which is the last one then. */
  paused?: Paused;
}

/** Whose line has no room for a picture: the own one, or the host's. */
export type Paused = 'line' | 'host';

/** A line of the chat, with its addresses apart. */
export type Said = ChatLine & { readonly pieces: readonly Piece[] };

/** A reason that only a later host gives is the host's. */
const whose = (reason: string): Paused => (reason === 'line' ? 'line' : 'host');

// As they are shown, also in the middle of a sentence.
const named = <T extends { name: string }>(of: T): T => ({ ...of, name: isolated(of.name) });

/** Something that has just happened and is said once. */
export type Notice =
  | { kind: 'joined' | 'left' | 'away' | 'back'; name: string }
  | { kind: 'chat'; name: string; text: string }
  | { kind: 'muted-by-host' }
  | { kind: 'co-host'; over: boolean }
  | { kind: 'knock'; name: string }
  | { kind: 'slow'; way: Slow }
  | { kind: 'instead'; device: ChosenDevice }
  | { kind: 'fault'; code: string; message: string }
  | FileNotice
  | GestureNotice
  | RecordingNotice
  | ScreenNotice;

/** In which directions the own line is poor. */
export type Slow = 'down' | 'up' | 'both';

export type Panel = 'chat' | 'people';

/**
 * A call as one participant sees it. It is fed with the host's messages
 * (receive), sends through send, and leaves capturing and playing to engine.
 */
export class Call {
  readonly engine: MediaEngine;
  readonly microphone: Switch;
  readonly camera: Switch;
  /** What of the call is seen here. */
  readonly seen: ViewReport;
  readonly sharing: Sharing;
  readonly gestures: Gestures;
  readonly files: Files;
  readonly recorded: Recorded;

  view = $state<'grid' | 'speaker'>('grid');
  panel = $state<Panel>();
  pinned = $state<string>();
  /** Which page of the people is shown, from 0; see paged. */
  page = $state(0);
  /** Where the own tile was put. */
  corner = $state.raw<Corner>();
  chat = $state.raw<readonly Said[]>([]);
  unread = $state(0);
  /** Id of the last line that was read before the chat was opened, as long as it is open and there are newer ones. */
  readUpTo = $state<number>();
  /** What is being written. */
  draft = $state('');
  notice = $state.raw<Notice>();
  /** Who waits at the door; of a co-host only. */
  door = $state.raw<Door>();
  /** The host lets another device take this seat. */
  movable = $state(false);
  /** With it another device does, until that time in milliseconds. */
  pass = $state.raw<{ token: string; until: number }>();
  /** Id of the own participant, '' before the first roster. */
  you = $state('');

  #connected = $state(true);
  #people = $state.raw<ReadonlyMap<string, Participant>>(new Map());
  #speaking = $state.raw<readonly string[]>([]);
  #line = $state.raw<Line>({ paused: [] });
  #spoke = $state('');
  readonly #stage = new Front();
  #unlit?: 'grid' | 'speaker'; // the view of before somebody was large for all
  #stageDue?: ReturnType<typeof setTimeout>;
  #unsent = $state.raw<readonly { token: string; text: string }[]>([]);
  #later?: ReturnType<typeof setTimeout>;
  #talking = false;
  #told?: { muted: boolean; cameraOff: boolean };
  readonly #send: (message: GuestMessage) => boolean;

  /** send returns false while the channel is away. files is the way of files, if it is not the engine's connection. */
  constructor(
    engine: MediaEngine,
    send: (message: GuestMessage) => boolean,
    files: FileWay = new DataWay(engine),
  ) {
    this.engine = engine;
    this.#send = send;
    this.seen = new ViewReport(send);
    this.sharing = new Sharing({
      screen: engine.screen,
      send,
      you: () => this.you,
      nameOf: (id) => this.#people.get(id)?.name ?? '',
      notice: (notice) => {
        this.notice = notice;
      },
    });
    this.gestures = new Gestures({
      send,
      you: () => this.you,
      nameOf: (id) => this.#people.get(id)?.name,
      notice: (notice) => {
        this.notice = notice;
      },
    });
    this.files = new Files({
      send,
      you: () => this.you,
      notice: (notice) => {
        this.notice = notice;
      },
      way: files,
    });
    this.recorded = new Recorded({
      send,
      notice: (notice) => {
        this.notice = notice;
      },
    });
    // On means heard and seen.
    this.microphone = new Switch(
      () => !engine.muted,
      async (on) => {
        await engine.setMuted(!on);
        this.#tell();
      },
    );
    this.camera = new Switch(
      () => !engine.cameraOff,
      async (on) => {
        await engine.setCameraOff(!on);
        this.#tell();
      },
    );
  }

  /** The host lets this participant in, or back in. */
  admitted({ takes = [] }: Admitted): void {
    this.connected = true;
    this.movable = takes.includes('move');
  }

  /** Whether the channel to the host is there; what is said meanwhile waits. */
  get connected(): boolean {
    return this.#connected;
  }

  set connected(connected: boolean) {
    this.#connected = connected;
    // Whatever host is there next has to say anew what it takes.
    if (!connected) this.seen.take(false);
  }

  /** Everybody in the call, the own participant first, then in the order in which they came. */
  readonly people: readonly Person[] = $derived.by(() => {
    const speaking = new Set(this.#speaking);
    const paused = new Map(
      this.#line.paused
        .filter(({ screen }) => !screen)
        .map(({ participant, reason }) => [participant, whose(reason)]),
    );
    return [...this.#people.values()]
      .sort((a, b) => a.joinedAt - b.joinedAt || (a.id < b.id ? -1 : 1))
      .map((participant) => this.#person(participant, speaking, paused))
      .sort((a, b) => Number(b.own) - Number(a.own));
  });

  /** Whose line has no room for the shared screen. */
  get screenPaused(): Paused | undefined {
    const pause = this.#line.paused.find(({ screen }) => screen);
    return pause && whose(pause.reason);
  }

  /** Whether the own line is poor, as the host sees it. */
  get slow(): Slow | undefined {
    const { slowDown, slowUp } = this.#line;
    if (slowDown && slowUp) return 'both';
    return slowDown ? 'down' : slowUp ? 'up' : undefined;
  }

  readonly others: readonly Person[] = $derived(this.people.filter((person) => !person.own));

  readonly me: Person | undefined = $derived(this.people.find((person) => person.own));

  /** Who has the stage in the speaker view: the pinned one, whom the host has put there for all, who spoke last, or who came first. */
  readonly front: Person | undefined = $derived.by(() => {
    const of = (id: string | undefined) => this.people.find((person) => person.id === id);
    return (
      of(this.pinned) ?? of(this.gestures.spotlight) ?? of(this.#spoke) ?? this.others[0] ?? this.me
    );
  });

  /** Who has a hand up, in the order in which they raised it. */
  readonly hands: readonly Person[] = $derived(
    this.people.filter(({ hand }) => hand).sort((a, b) => a.hand! - b.hand!),
  );

  /** Whose screen is shared, if it is another's. */
  readonly sharer: Person | undefined = $derived.by(() =>
    this.others.find(({ id }) => id === this.sharing.other),
  );

  /** Chat lines of which nobody knows yet that they have arrived. */
  get unsent(): readonly string[] {
    return this.#unsent.map(({ text }) => text);
  }

  /** Takes a message of the host. Those before admission are not its business. */
  receive(message: HostMessage): void {
    this.engine.receive(message);
    switch (message.type) {
      case 'roster': {
        const { you, participants, chat, takes, spotlight, earlier } = message.payload;
        const first = !this.you;
        this.you = you;
        const present = new Set(participants.map(({ id }) => id));
        for (const id of this.#people.keys()) if (!present.has(id)) this.#remove(id);
        this.#people = new Map(
          participants.map((participant) => [participant.id, named(participant)]),
        );
        this.#lines(chat.map(named));
        for (const { id, file } of chat) if (file?.over) this.#fileOver(id, file.over);
        this.files.greet(takes, chat);
        this.#line = { paused: [] };
        // After a reload the lines of before are old news.
        if (first) this.unread = 0;
        this.#told = undefined;
        this.#tell();
        this.#resend();
        if (!this.me?.coHost) this.door = undefined; // taken back while the channel was away
        this.seen.take(takes?.includes('view') ?? false);
        this.gestures.greet(takes, spotlight, earlier);
        this.#light();
        this.sharing.greet(takes?.includes('sharing') ?? false);
        break;
      }
      case 'joined': {
        const participant = named(message.payload.participant);
        const before = this.#people.get(participant.id);
        this.#people = new Map(this.#people).set(participant.id, participant);
        this.gestures.changed(before, participant);
        if (participant.id === this.you) break;
        const { name } = participant;
        if (!before) this.notice = { kind: 'joined', name };
        else if (!before.away && participant.away) this.notice = { kind: 'away', name };
        else if (before.away && !participant.away) this.notice = { kind: 'back', name };
        break;
      }
      case 'left': {
        const gone = this.#people.get(message.payload.id);
        this.#remove(message.payload.id);
        if (gone) this.notice = { kind: 'left', name: gone.name };
        break;
      }
      case 'speaking': {
        this.#speaking = message.payload.ids;
        this.#hear();
        break;
      }
      case 'chat': {
        const line = named(message.payload.line);
        const { name } = line;
        const text = line.file ? `📎 ${isolated(line.file.name)}` : line.text;
        this.#lines([line]);
        if (this.panel !== 'chat' && line.participant !== this.you) {
          this.notice = { kind: 'chat', name, text };
        }
        break;
      }
      case 'fileOver':
        this.#fileOver(message.payload.line, message.payload.why);
        break;
      case 'reaction':
        this.gestures.reacted(message.payload.participant, message.payload.reaction);
        break;
      case 'spotlight':
        this.gestures.lit(message.payload.participant);
        this.#light();
        break;
      case 'recording':
        this.recorded.take(message.payload);
        break;
      case 'door':
        this.#shown(message.payload);
        break;
      case 'pass':
        this.pass = {
          token: message.payload.token,
          until: Date.now() + message.payload.for,
        };
        break;
      case 'screen':
        this.sharing.take(message.payload);
        break;
      case 'line': {
        const before = this.slow;
        this.#line = message.payload;
        const { slow } = this;
        // Said when it gets worse.
        if (slow && slow !== before && before !== 'both') this.notice = { kind: 'slow', way: slow };
        break;
      }
      case 'mute':
        if (this.microphone.shown) {
          void this.microphone.set(false);
          this.notice = { kind: 'muted-by-host' };
        }
        break;
      case 'fault':
        this.sharing.refused();
        this.files.refused(message.payload.code);
        if (message.payload.code === 'too-fast' && this.#unsent.length > 0) {
          clearTimeout(this.#later);
          this.#later = setTimeout(() => this.#resend(), message.payload.retryAfter ?? 2000);
          break;
        }
        // Lines are answered in order, so it is the first that waits.
        if (message.payload.code === 'chat-invalid') this.#unsent = this.#unsent.slice(1);
        this.notice = { kind: 'fault', ...message.payload };
        break;
    }
  }

  /** Says a line in the chat; it waits until its echo comes, and is said again after a reconnection. False for a line that is empty or too long. */
  say(text: string): boolean {
    const line = text.trim();
    if (line === '' || [...line].length > maxText) return false;
    const payload = { text: line, token: randomToken() };
    this.#unsent = [...this.#unsent, payload];
    this.#send({ type: 'say', payload });
    return true;
  }

  /** Does something in the host's name. */
  act(deed: Deed, of: string): void {
    this.#send({ type: 'act', payload: { deed, of } });
  }

  /** Asks for a pass, with which another device takes this seat. */
  move(): void {
    this.pass = undefined;
    this.#send({ type: 'move', payload: {} });
  }

  #shown(door: Door): void {
    const before = this.door;
    if (door.over) {
      this.door = undefined;
      if (before) this.notice = { kind: 'co-host', over: true };
      return;
    }
    const requests = door.requests.map(named);
    this.door = { ...door, requests };
    if (!before) this.notice = { kind: 'co-host', over: false };
    const fresh = requests.find(({ id }) => !before?.requests.some((one) => one.id === id));
    if (before && fresh && this.panel !== 'people')
      this.notice = { kind: 'knock', name: fresh.name };
  }

  /** Opens a panel, or closes it when it is open. */
  show(panel: Panel): void {
    this.panel = this.panel === panel ? undefined : panel;
    this.readUpTo = undefined;
    if (this.panel !== 'chat') return;
    if (this.unread > 0) {
      const others = this.chat.filter((line) => line.participant !== this.you);
      this.readUpTo = others.at(-this.unread - 1)?.id ?? 0;
    }
    this.unread = 0;
    if (this.notice?.kind === 'chat') this.notice = undefined;
  }

  /** Puts someone on the stage until they leave, or takes them off it again. */
  pin(id: string): void {
    this.pinned = this.pinned === id ? undefined : id;
    if (this.pinned) this.look('speaker');
  }

  /** Chooses how the call is seen. */
  look(view: 'grid' | 'speaker'): void {
    this.view = view;
    this.page = 0;
  }

  /** Turns the pages of the people by so many; the stage knows which is the last. */
  turn(by: number): void {
    this.page = Math.max(0, this.page + by);
  }

  /** Unmutes for as long as a key is held. */
  talk(on: boolean): void {
    if (on === this.#talking || (on && this.microphone.shown)) return;
    this.#talking = on;
    void this.microphone.set(on);
  }

  /** Tells the others when the switches are not as told last; also when a device came or went. */
  #tell(): void {
    if (!this.you) return;
    const now = { muted: this.engine.muted, cameraOff: this.engine.cameraOff };
    if (this.#told?.muted === now.muted && this.#told.cameraOff === now.cameraOff) return;
    if (this.#send({ type: 'mediaState', payload: now })) this.#told = now;
  }

  /** Shows who is large for all, and what was looked at before when nobody is any more. */
  #light(): void {
    const lit = this.gestures.spotlight !== '';
    if (lit && this.#unlit === undefined) {
      this.#unlit = this.view;
      this.look('speaker');
    } else if (!lit && this.#unlit !== undefined) {
      // Whoever has chosen meanwhile keeps that.
      if (this.view === 'speaker' && !this.pinned) this.look(this.#unlit);
      this.#unlit = undefined;
    }
  }

  /** Gives the stage to who speaks, now or as soon as it is theirs. */
  #hear(): void {
    clearTimeout(this.#stageDue);
    const others = this.#speaking.filter((id) => id !== this.you);
    const now = performance.now();
    const due = this.#stage.hear(others, now);
    this.#spoke = this.#stage.id;
    if (due !== undefined) this.#stageDue = setTimeout(() => this.#hear(), due - now);
  }

  /** Nothing more is said or shared. */
  close(): void {
    clearTimeout(this.#stageDue);
    this.seen.close();
    this.sharing.close();
    this.gestures.close();
    this.files.close();
  }

  /** To be called when the engine's own state may have changed by itself. */
  settle(): void {
    if (!this.microphone.pending && !this.camera.pending) this.#tell();
  }

  #resend(): void {
    for (const payload of this.#unsent) this.#send({ type: 'say', payload });
  }

  #person(
    participant: Participant,
    speaking: ReadonlySet<string>,
    paused: ReadonlyMap<string, Paused>,
  ): Person {
    const own = participant.id === this.you;
    return {
      ...participant,
      own,
      // One's own switches are known here before the host has heard of them.
      muted: own ? !this.microphone.shown : participant.muted,
      cameraOff: own ? !this.camera.shown : participant.cameraOff,
      picture: own ? OWN : participant.id,
      speaking: speaking.has(participant.id) && !(own && !this.microphone.shown),
      paused: paused.get(participant.id),
    };
  }

  #remove(id: string): void {
    const people = new Map(this.#people);
    people.delete(id);
    this.#people = people;
    if (this.pinned === id) this.pinned = undefined;
    this.#stage.forget(id);
    this.#spoke = this.#stage.id;
  }

  #fileOver(id: number, over: string): void {
    this.chat = this.chat.map((line) =>
      line.id === id && line.file ? { ...line, file: { ...line.file, over } } : line,
    );
    this.files.over(id, over);
  }

  #lines(lines: readonly ChatLine[]): void {
    for (const line of lines) this.files.lined(line);
    for (const { token, participant, text } of lines) {
      // A host that knows no tokens tells by the words alone.
      const told = this.#unsent.find((line) =>
        token ? line.token === token : participant === this.you && line.text === text,
      );
      if (told) this.#unsent = this.#unsent.filter((line) => line !== told);
    }
    const last = this.chat.at(-1)?.id ?? -1;
    const fresh = lines.filter((line) => line.id > last);
    if (fresh.length === 0) return;
    this.chat = [...this.chat, ...fresh.map((line) => ({ ...line, pieces: linked(line.text) }))];
    if (this.panel !== 'chat') {
      this.unread += fresh.filter((line) => line.participant !== this.you).length;
    }
  }
}
