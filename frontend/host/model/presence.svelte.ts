import { Call } from '$src/call/model/call.svelte';
import type { FileWay } from '$src/call/model/fileWay';
import type { MediaEngine } from '$src/media/engine';
import type { Transport } from '$src/transport';
import type { HostMessage } from '$src/transport/transport';
import type { Commands, Entry } from './backend';
import { faultOf } from './backend';

/** What a window is built from when it enters a call. */
export interface Parts {
  transport: Transport;
  engine: MediaEngine;
  /** The way of the call's files. */
  files?: FileWay;
}

export interface PresenceOptions {
  link: string;
  commands: Pick<Commands, 'leaveCall' | 'endCall'>;
  /** Asks the app for a ticket. */
  enter: () => Promise<Entry>;
  /** Builds transport and engine for a ticket; how says how microphone and camera begin. */
  build: (entry: Entry, how: { muted: boolean; cameraOff: boolean }) => Parts;
  /** This window is out of the call, without its doing where reason is set. */
  onout: (reason?: Out) => void;
  /** Something went wrong that the person should know of. */
  onfault: (reason: unknown) => void;
  /** Milliseconds before try number `attempt`, from 1. */
  backoff?: (attempt: number) => number;
}

/** Why the window is out of the call: the host's app ended it, or another window took it over. */
export type Out = 'ended' | 'removed' | 'elsewhere';

/** After so many failed tries in a row the person is asked. */
const tries = 5;

/**
 * This window's part in one call: from pressing Join to leaving. A socket that
 * breaks is opened anew, with the microphone and the camera as they were.
 */
export class Presence {
  readonly link: string;
  phase = $state<'entering' | 'in' | 'failed'>('entering');
  /** The code of what failed, and its English sentence where there is one. */
  failure = $state.raw<{ code: string; message: string }>();
  call = $state.raw<Call>();
  engineName = $state('');

  readonly #options: PresenceOptions;
  #transport: Transport | undefined;
  #how = { muted: false, cameraOff: false };
  #expecting = false;
  #attempt = 0;
  #round = 0; // counts up with each try: answers to older ones are dropped
  #timer: ReturnType<typeof setTimeout> | undefined;
  #over = false;

  constructor(options: PresenceOptions) {
    this.link = options.link;
    this.#options = options;
  }

  /** Enters, or tries again after a failure. */
  async enter(): Promise<void> {
    if (this.#over) return;
    const round = ++this.#round;
    this.#drop();
    this.phase = 'entering';
    this.failure = undefined;
    let entry: Entry;
    try {
      entry = await this.#options.enter();
    } catch (reason) {
      if (round === this.#round) this.#fail(faultOf(reason));
      return;
    }
    if (round !== this.#round) return;
    const { transport, engine, files } = this.#options.build(entry, this.#how);
    const call = new Call(engine, (message) => transport.send(message), files);
    engine.expect?.(this.#expecting);
    this.#transport = transport;
    this.call = call;
    this.engineName = entry.engine;
    transport.onmessage = (message) => this.#receive(call, message);
    transport.onstate = (state) => {
      if (state.phase === 'refused') this.#broke(state.code);
      else if (state.phase === 'closed') this.#out();
    };
    transport.connect();
  }

  /** Whether somebody knocks at this call, who may be let in at any moment. */
  expect(somebody: boolean): void {
    this.#expecting = somebody;
    this.call?.engine.expect?.(somebody);
  }

  /** Leaves; the others go on. */
  leave(): void {
    if (this.#over) return;
    // The app is told twice, because the socket may be the thing that is broken.
    const told = this.#transport?.send({ type: 'leave', payload: {} });
    if (!told) {
      this.#options.commands.leaveCall(this.link).catch((reason) => {
        if (faultOf(reason).code !== 'not-in-call') this.#options.onfault(reason);
      });
    }
    this.#out();
  }

  /** Ends the call for everyone. */
  async end(): Promise<void> {
    try {
      await this.#options.commands.endCall(this.link);
      this.#out();
    } catch (reason) {
      this.#options.onfault(reason);
    }
  }

  /** Lets go of everything without a word, as when the window closes. */
  close(): void {
    this.#over = true;
    this.#round++;
    this.#drop();
  }

  #receive(call: Call, message: HostMessage): void {
    if (message.type === 'ended') {
      this.#out(message.payload.reason === 'removed' ? 'removed' : 'ended');
      return;
    }
    try {
      call.receive(message);
    } catch (reason) {
      // The webview forbids connections, by a policy.
      if (message.type !== 'offer') throw reason;
      this.#fail({ code: 'engine-unavailable', message: '' });
      return;
    }
    if (message.type !== 'roster') return;
    this.#attempt = 0;
    this.phase = 'in';
  }

  #broke(code: string): void {
    if (code === 'seat-taken' || code === 'call-ended') {
      this.#out(code === 'seat-taken' ? 'elsewhere' : 'ended');
      return;
    }
    const { call } = this;
    if (call) this.#how = { muted: !call.microphone.shown, cameraOff: !call.camera.shown };
    if (++this.#attempt > tries) {
      this.#fail({ code, message: '' });
      return;
    }
    this.phase = 'entering';
    const wait = this.#options.backoff?.(this.#attempt) ?? 0;
    this.#timer = setTimeout(() => void this.enter(), wait);
  }

  #fail({ code, message }: { code: string; message: string }): void {
    this.#drop();
    this.#attempt = 0;
    this.phase = 'failed';
    this.failure = { code, message };
  }

  #out(reason?: Out): void {
    if (this.#over) return;
    this.close();
    this.#options.onout(reason);
  }

  #drop(): void {
    clearTimeout(this.#timer);
    this.#transport?.close();
    this.#transport = undefined;
    this.call?.close();
    this.call?.engine.close();
    this.call = undefined;
  }
}
