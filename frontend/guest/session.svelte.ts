import type { Call } from '$src/call/model/call.svelte';
import type { Own } from '$src/media/webview/capture.svelte';
import type { WebviewEngine } from '$src/media/webview/webview.svelte';
import type {
  Bell,
  Ended,
  EndReason,
  Got,
  GuestMessage,
  HostMessage,
  Knock,
  SaidLine,
  Transport,
  TransportState,
  Work,
} from '$src/transport';
import type { Bytes } from '$src/transport/bytes';
import { isName, isolated } from '$src/ui/names';
import type { Memory } from './memory';

/** A transport that keeps the guest's seat. */
export interface Channel extends Transport {
  /** There is a seat to come back to without knocking. */
  readonly hasSeat: boolean;
  forgetSeat(): void;
  /** What no other channel has; undefined when none is open. */
  binding?(): Promise<Bytes | undefined>;
}

/** Which browser this is, as a knock has it. */
export type Proof = Pick<Knock, 'key' | 'proof' | 'automated' | 'takes' | 'work'>;

/** Why the guest is neither waiting nor in the call. */
export type Outcome = Exclude<EndReason, 'shutdown' | 'seat-gone'> | 'left' | 'refused';

/** How the host was told of the knock; `since` is on this computer's clock. */
interface Heard {
  bell?: Bell;
  /** How often the bell has rung. */
  rings: number;
  /** The host has looked at the request. */
  seen: boolean;
  /** How many minutes the host asked to wait, 0 for no time. */
  minutes: number;
}

/** Where the guest stands. */
export type Place =
  | { at: 'door'; refused?: boolean } // refused: the host does not take the name
  | ({ at: 'waiting'; since: number; again?: boolean; outside?: boolean } & Partial<Heard>) // again: too fast; rings by itself in a moment. outside: was in the call
  | { at: 'declined'; mayRetry: boolean }
  | { at: 'returning' }
  | { at: 'call' }
  | { at: 'out'; why: Outcome; code?: string };

/** What is fetched when it is needed: the wait, the call, and the ways out. */
export type Inside = typeof import('./inside');

export interface Parts {
  capture: Own;
  memory: Memory;
  /** Makes a channel to the link's host; it is not connected yet. resumable: see GuestTransport. */
  channel(resumable: () => boolean): Channel;
  /** The channel leads straight to the host's computer, without a relay. */
  direct?: boolean;
  inside(): Promise<Inside>;
  /** What a knock says of this browser; never rejects. It works no longer than wanted. */
  prove?(
    channel: Channel,
    host?: string,
    work?: Work,
    wanted?: () => boolean,
  ): Promise<Proof | undefined>;
  /** Takes one picture of the camera, in base64url. */
  still(track: MediaStreamTrack): Promise<string | undefined>;
}

/** How long until what could not be fetched is tried again, in milliseconds. */
const pause = 1500;

/** How long the page does nothing but connect and draw the call, in milliseconds. */
const entry = 1000;

/** What the connection is made of, and does not wait for the call to be drawn. */
const forMedia: ReadonlySet<HostMessage['type']> = new Set(['offer', 'candidate', 'tracks']);

/** How long until whoever was too fast asks again, in milliseconds, if the host does not say. */
const moment = 10_000;

/** How long a knock waits for its picture, in milliseconds. */
const patience = 2000;

/**
 * A guest's way: the door, the wait, the call, and every way out of it. It
 * owns the channel and brings channel, media and call together. No connection
 * for media is made before the host has let the guest in.
 */
export class Session {
  place = $state.raw<Place>({ at: 'door' });
  reach = $state.raw<TransportState>({ phase: 'connecting', attempt: 0 });
  /** Known once the host has answered. */
  linkName = $state('');
  hostName = $state('');
  /** When guests can knock, by this computer's clock; 0 for now. */
  opens = $state(0);
  welcomed = $state(false);
  /** What the host takes from those who wait, beyond what every host does. */
  takes = $state.raw<readonly string[]>([]);
  /** Hears how much of a door message has arrived. */
  ongot?: (got: Got) => void;
  name = $state('');
  /** A picture goes with the request. */
  picture = $state(false);
  /** What the host and this guest have said to each other while it waits. */
  said = $state.raw<SaidLine[]>([]);
  inside = $state.raw<Inside>();
  /** From admission on. */
  call = $state.raw<Call>();
  /** What is drawn of it: while the guest waits, an empty one, out of sight. */
  stage = $state.raw<Call>();

  readonly capture: Own;
  readonly #parts: Parts;
  #channel!: Channel;
  #engine?: WebviewEngine;
  #early: HostMessage[] = []; // came before inside did, or before the call is shown
  #loading = false;
  #showing?: ReturnType<typeof setTimeout>;
  #mounting?: ReturnType<typeof setTimeout>;
  #again?: ReturnType<typeof setTimeout>;
  #unsaid: readonly string[] = []; // typed into a call whose seat has gone since
  #opened = false; // camera and microphone, as far as they are wanted
  #proof?: Proof;
  #proving?: Promise<Proof | undefined>;
  #host?: string;
  #still?: string;
  #takingStill?: Promise<string | undefined>;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.capture = parts.capture;
    this.name = parts.memory.name;
    this.#connect();
    if (this.#channel.hasSeat) {
      this.place = { at: 'returning' };
      this.#loadInside();
    }
  }

  /** Whether the host can't be reached, as far as anybody knows. */
  get unreachable(): boolean {
    const { reach } = this;
    return (
      reach.phase === 'hostAway' ||
      reach.phase === 'unavailable' ||
      (reach.phase === 'connecting' && reach.attempt > 0)
    );
  }

  /** No relay stands between this page and the host's computer. */
  get direct(): boolean {
    return this.#parts.direct ?? false;
  }

  /** Sends a message if the host can be reached now. */
  readonly send = (message: GuestMessage): boolean => {
    const sent = this.#channel.send(message);
    if (message.type === 'answer') this.#showCallIn(250);
    else if (message.type === 'candidate') this.#showCallIn(20);
    return sent;
  };

  /** Asks to be let in. False for a name that is empty or too long. */
  join(name: string): boolean {
    const trimmed = name.trim();
    if (!isName(trimmed)) return false;
    this.name = trimmed;
    this.#parts.memory.name = trimmed;
    this.#takeStill();
    this.askAgain();
    return true;
  }

  /** Asks once more under the same name. */
  askAgain(): void {
    const { phase } = this.reach;
    const welcomed = phase === 'open' && this.welcomed;
    this.#forgetAgain();
    // Whoever asks from here does not want the seat back that another tab has.
    if (this.place.at === 'out') this.#channel.forgetSeat();
    if (welcomed) this.#knock(); // first, so that it is sealed while the rest goes on
    this.place = { at: 'waiting', since: Date.now() };
    if (welcomed) this.#open();
    // The rest is fetched once the bell has rung: on a slow computer the knock would wait for it.
    if (!welcomed) this.#loadInside();
    if (phase === 'closed' || phase === 'refused') this.#connect();
    else if (!welcomed) this.#channel.retryNow();
  }

  /** Leaves the wait, or the call; because of a fault of this page if a code is given. */
  leave(code?: string): void {
    // Let in meanwhile, even if the call is not drawn yet, one leaves a call.
    const admitted = this.call !== undefined || this.#early.length > 0;
    this.#channel.send({ type: 'leave', payload: {} });
    this.#channel.forgetSeat();
    this.#forgetAgain();
    if (this.place.at === 'waiting' && !admitted && !code) {
      this.place = { at: 'door' };
      this.said = [];
      return;
    }
    this.#channel.close();
    this.reach = { phase: 'closed' };
    this.#out(code ? 'refused' : 'left', code);
  }

  /** Back to the door, to change name or devices before asking again. */
  backToDoor(): void {
    if (this.place.at === 'out') this.#channel.forgetSeat();
    this.place = { at: 'door' };
    if (this.welcomed) this.#open();
    if (this.reach.phase === 'closed' || this.reach.phase === 'refused') this.#connect();
  }

  /** The network is back, or somebody looks at the page again: no reason to wait for the next try. */
  wake(): void {
    if (this.place.at !== 'out') this.#channel.retryNow();
  }

  /** The tab that has this one's seat may be gone: asks for it back, and changes nothing if it is not. */
  comeBack(): void {
    const { place, reach } = this;
    if (place.at === 'out' && place.why === 'replaced' && reach.phase === 'closed') {
      if (this.#channel.hasSeat) this.#connect();
    }
  }

  /** The page goes away, perhaps for ever: nothing listens and looks on. */
  hide(): void {
    this.#close();
  }

  /** Opens camera and microphone, now that there is somebody to ask at. */
  #open(): void {
    this.#opened = true;
    void this.capture.open();
  }

  #close(): void {
    this.#opened = false;
    this.capture.release();
  }

  /** Remembers how the switches stand, for a reload. */
  remember(): void {
    const { muted, cameraOff } = this.capture;
    this.#parts.memory.switches = { muted, cameraOff };
  }

  #connect(): void {
    const channel = this.#parts.channel(() => this.#engine?.alive ?? false);
    this.#channel = channel;
    this.welcomed = false;
    channel.onmessage = (message) => this.#receive(message);
    channel.onstate = (state) => this.#reached(state);
    this.reach = channel.state;
    channel.connect();
  }

  /** Makes what a knock says of this browser, and the work that the host asks for while many knock. */
  #prove(host?: string, work?: Work): void {
    const proving: Promise<Proof | undefined> | undefined = this.#parts.prove?.(
      this.#channel,
      host,
      work,
      () => this.#proving === proving && this.place.at === 'waiting',
    );
    this.#proving = proving;
    void proving?.then((proof) => {
      if (this.#proving !== proving) return;
      this.#proving = undefined;
      this.#proof = proof;
      if (this.place.at === 'waiting' && this.welcomed && !this.#again) this.#knock();
    });
  }

  #knock(): void {
    if (this.#takingStill || this.#proving) return; // and knocks when it is there
    const { faults } = this.capture;
    this.#channel.send({
      type: 'knock',
      payload: {
        name: this.name,
        muted: this.capture.silent,
        cameraOff: this.capture.dark,
        ...this.#proof,
        ...(faults.filter((fault) => fault.endsWith('missing')).length > 1 && { bare: true }),
        ...(this.#still && { picture: this.#still }),
      },
    });
  }

  /** Takes the picture for the knock, if one is wanted and there is one to take. */
  #takeStill(): void {
    const { video } = this.capture;
    this.#forgetStill();
    if (!this.picture || !video) return;
    const late = new Promise<undefined>((done) => setTimeout(done, patience));
    const taking = Promise.race([this.#parts.still(video), late]).catch(() => undefined);
    this.#takingStill = taking;
    void taking.then((still) => {
      if (this.#takingStill !== taking) return;
      this.#takingStill = undefined;
      this.#still = still;
      if (this.place.at === 'waiting' && this.welcomed) this.#knock();
    });
  }

  #forgetStill(): void {
    this.#takingStill = undefined;
    this.#still = undefined;
  }

  #reached(state: TransportState): void {
    this.reach = state;
    if (this.call) this.call.connected = state.phase === 'open';
    if (state.phase !== 'open') {
      this.welcomed = false;
      this.#proving = undefined;
      // The host has to say anew that the request stands.
      if (this.place.at === 'waiting') this.place = { ...this.place, bell: undefined };
    }
    if (state.phase === 'unavailable' && state.reason !== 'unknown') this.#out(state.reason);
    else if (state.phase === 'refused') this.#out('refused', state.code);
  }

  #receive(message: HostMessage): void {
    switch (message.type) {
      case 'welcome':
        this.linkName = isolated(message.payload.linkName);
        this.hostName = isolated(message.payload.hostName);
        this.takes = message.payload.takes ?? [];
        this.welcomed = true;
        this.said = []; // a host that still has it says it anew
        this.#host = message.payload.host;
        this.#prove(this.#host);
        if (this.#later(message.payload.opensIn)) break;
        if (!this.#opened && this.place.at !== 'out' && this.place.at !== 'declined') this.#open();
        if (this.place.at === 'waiting' && !this.#again) this.#knock();
        break;
      case 'waiting':
        if (this.place.at === 'waiting') {
          const { ago, ...heard } = message.payload;
          this.#forgetAgain();
          this.place = { ...this.place, again: false, ...heard, since: Date.now() - ago };
          this.#loadInside();
          this.#mountOffstage();
        }
        break;
      case 'outside': // the host lets them wait there; the knock rings no bell
        if (!this.call && !this.#early.length) break; // at the door a name is not said before Join
        this.#end();
        this.place = { at: 'waiting', since: Date.now(), outside: true };
        this.#knock();
        break;
      case 'got':
        this.ongot?.(message.payload);
        break;
      case 'said':
        this.said = message.payload.lines;
        this.#loadInside();
        break;
      case 'work':
        if (this.place.at === 'waiting') this.#prove(this.#host, message.payload);
        break;
      case 'declined':
        this.said = [];
        this.place = { at: 'declined', mayRetry: message.payload.mayRetry };
        this.#close();
        break;
      case 'ended':
        this.#ended(message.payload);
        break;
      case 'fault':
        if (this.call) this.call.receive(message);
        else this.#refused(message.payload);
        break;
      default:
        if (this.place.at === 'door') {
          // The host let in somebody who was just leaving, and hears of that in a moment.
          if (message.type === 'admitted') this.#channel.forgetSeat();
        } else if (this.inside) this.#inCall(this.inside, message);
        else {
          this.#early.push(message);
          this.#loadInside();
        }
    }
  }

  /** The host has refused something that was said before admission: no code is left without a place on the page. */
  #refused({ code, retryAfter = moment }: { code: string; retryAfter?: number }): void {
    const { place } = this;
    if (code === 'too-fast') {
      if (place.at !== 'waiting') return; // what was too fast matters no more
      this.#forgetAgain();
      this.place = { at: 'waiting', since: place.since, again: true };
      this.#again = setTimeout(() => this.askAgain(), retryAfter);
      this.#loadInside();
    } else if (code === 'link-not-open') {
      this.#later(retryAfter);
    } else if (code === 'name-invalid') {
      this.place = { at: 'door', refused: true };
    } else {
      this.#channel.close();
      this.reach = { phase: 'closed' };
      this.#out('refused', code);
    }
  }

  /** Back to the door, if the link opens in so many milliseconds only. */
  #later(opensIn = 0): boolean {
    this.opens = opensIn && Date.now() + Math.min(opensIn, 1e12); // within what a calendar has
    if (opensIn && this.place.at === 'waiting') this.place = { at: 'door' };
    return opensIn > 0 && this.place.at === 'door';
  }

  /** The time has come from which guests can knock. */
  opened(): void {
    this.opens = 0;
    if (this.welcomed) this.#open();
  }

  #forgetAgain(): void {
    clearTimeout(this.#again);
    this.#again = undefined;
  }

  /** What is said to those who are let in. */
  #inCall({ Call }: Inside, message: HostMessage): void {
    const engine = this.#engine;
    if (!engine) return;
    if (message.type === 'admitted') {
      const { resumed, iceServers } = message.payload;
      try {
        if (resumed && engine.alive) engine.resume(iceServers);
        else engine.enter(iceServers);
      } catch {
        this.leave('media-blocked'); // an extension or a policy forbids connections
        return;
      }
      this.#forgetStill();
      if (!this.#opened) this.#open();
      clearTimeout(this.#mounting);
      this.capture.rest(entry);
      this.call ??= this.stage ?? new Call(engine, this.send);
      this.call.admitted(message.payload);
      // Drawing the call takes the page's one thread, and the first picture waits for
      // the answer to the offer and for the first candidates: so these go first,
      // sealed and sent, if they come soon. See send.
      this.#showCallIn(message.payload.resumed ? 0 : 250);
    } else if (this.place.at === 'call' || forMedia.has(message.type)) {
      this.call?.receive(message);
    } else if (this.call) {
      this.#early.push(message); // what is drawn of it can wait for the answer too
    }
  }

  /** Shows the call to those who have just been let in, after so many milliseconds. */
  #showCallIn(delay: number): void {
    if (this.place.at === 'call') return;
    clearTimeout(this.#showing);
    this.#showing = setTimeout(() => {
      const { call } = this;
      if (!call) return;
      this.stage = call;
      this.place = { at: 'call' };
      for (const message of this.#early.splice(0)) call.receive(message);
      for (const text of this.#unsaid) call.say(text);
      this.#unsaid = [];
    }, delay);
  }

  /** Fetches what is behind the door, and makes ready what takes time; no connection. */
  #loadInside(): void {
    if (this.#loading) return;
    this.#loading = true;
    this.#parts.inside().then(
      (inside) => {
        this.#engine = new inside.WebviewEngine(this.capture, this.send);
        void this.#engine.prepare();
        this.inside = inside;
        this.#mountOffstage();
        for (const message of this.#early.splice(0)) this.#inCall(inside, message);
      },
      () => {
        this.#loading = false;
        setTimeout(() => this.#loadInside(), pause);
      },
    );
  }

  /**
   * Has the call drawn out of sight once the wait is on the screen, for it takes the page's one thread for a while.
   * Nothing is in it, and it says nothing, before the host's roster comes.
   */
  #mountOffstage(): void {
    const { inside } = this;
    if (!inside || this.stage) return;
    clearTimeout(this.#mounting);
    this.#mounting = setTimeout(() => {
      const engine = this.#engine;
      if (engine && this.place.at === 'waiting') this.stage ??= new inside.Call(engine, this.send);
    }, 100);
  }

  #ended({ reason, cause, host }: Ended): void {
    switch (reason) {
      case 'shutdown': // the channel keeps trying; what happens next shows when the host is back
        break;
      case 'seat-gone':
        // Away for too long, or the host's app was started anew: knock again, nobody has to press anything.
        if (this.place.at === 'out') {
          this.#channel.close();
          this.reach = { phase: 'closed' };
          break;
        }
        this.#unsaid = [...this.#unsaid, ...(this.call?.unsent ?? [])];
        this.#end();
        if (!this.name) this.place = { at: 'door' };
        else this.askAgain();
        break;
      default:
        // Too many messages are too fast as well, and end the channel: the page asks again by itself.
        if (host) this.hostName = isolated(host);
        if (reason !== 'fault' || !this.#again) this.#out(reason, cause);
    }
  }

  #end(): void {
    clearTimeout(this.#showing);
    clearTimeout(this.#mounting);
    this.#early = [];
    this.said = [];
    this.#forgetStill();
    this.call?.close();
    this.#engine?.leave();
    this.call = this.stage = undefined;
  }

  #out(why: Outcome, code?: string): void {
    if (this.place.at === 'out') return;
    this.#unsaid = [];
    this.#end();
    this.#forgetAgain();
    this.#loadInside();
    this.#close();
    this.place = { at: 'out', why, code };
  }
}
