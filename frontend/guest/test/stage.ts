// For tests of the session: a host, an engine and a camera that a test plays.
import { expect, type Mock, vi } from 'vitest';
import { Call } from '$src/call/model/call.svelte';
import type { Own } from '$src/media/webview/capture.svelte';
import { FakeTransport } from '$src/test/fakeTransport';
import type { EndReason, GuestMessage, HostMessage, ICEServer } from '$src/transport';
import { type Channel, type Inside, type Parts, Session } from '../session.svelte';

/** A channel of a host by the name of Sam, whose link is called Book club. */
class FakeChannel extends FakeTransport implements Channel {
  constructor(public hasSeat: boolean) {
    super();
  }

  forgetSeat(): void {
    this.hasSeat = false;
  }

  override say(message: HostMessage): void {
    if (this.state.phase !== 'open') this.become({ phase: 'open' });
    super.say(message);
  }

  welcome(host?: string): void {
    this.say({
      type: 'welcome',
      payload: { version: 1, linkName: 'Book club', hostName: 'Sam', ...(host && { host }) },
    });
  }
}

/** An engine that writes down what the session asks of it. */
export class ObservedEngine {
  static made: ObservedEngine[] = [];
  muted = false;
  cameraOff = false;
  alive = false;
  did: string[] = [];

  constructor(
    _capture: unknown,
    readonly send: (message: GuestMessage) => boolean,
  ) {
    ObservedEngine.made.push(this);
  }

  answer(): void {
    this.send({ type: 'answer', payload: { negotiation: 1, sdp: 'v=0' } });
  }

  async prepare(): Promise<void> {
    this.did.push('prepare');
  }

  enter(): void {
    this.alive = true;
    this.did.push('enter');
  }

  resume(iceServers?: ICEServer[]): void {
    this.did.push(iceServers ? `resume by ${iceServers[0]?.username}` : 'resume');
  }

  leave(): void {
    this.alive = false;
    this.did.push('leave');
  }

  receive(message: HostMessage): void {
    this.did.push(message.type);
  }
}

interface Stage {
  /** Those that sessions have made, oldest first. */
  channels: FakeChannel[];
  capture: {
    silent: boolean;
    dark: boolean;
    faults: string[];
    video?: MediaStreamTrack;
    rest: Mock<(milliseconds: number) => void>;
    open: Mock<() => Promise<void>>;
    release: Mock<() => Promise<void>>;
  };
  parts: Pick<Parts, 'prove'>;
  still: Mock<(track: MediaStreamTrack) => Promise<string | undefined>>;
  memory: { name: string; language: string; switches: { muted: boolean; cameraOff: boolean } };
  /** How often what is behind the door was fetched. */
  fetched: number;
  /** Answers the latest fetch. */
  arrive(inside: Inside): void;
  /** Whether the next channel has a seat to come back to. */
  seat: boolean;
}

/** What the sessions of the running test have around them. */
export let stage: Stage;

/** Begins anew: to be called before each test. */
export function reset(): void {
  ObservedEngine.made = [];
  stage = {
    channels: [],
    capture: {
      silent: false,
      dark: true,
      faults: [],
      rest: vi.fn(),
      open: vi.fn(async () => {}),
      release: vi.fn(async () => {}),
    },
    parts: {},
    still: vi.fn(async () => '_9j_2Q'),
    memory: { name: '', language: '', switches: { muted: false, cameraOff: false } },
    fetched: 0,
    arrive: () => {},
    seat: false,
  };
}

export const inside = { WebviewEngine: ObservedEngine, Call } as unknown as Inside;

export const channel = () => stage.channels.at(-1)!;
export const engine = () => ObservedEngine.made.at(-1)!;

export const rung: HostMessage = { type: 'waiting', payload: { bell: 'rung', since: 0, ago: 0 } };
export const admitted = (resumed = false): HostMessage => ({
  type: 'admitted',
  payload: { participant: 'me', seat: 's', resumed },
});
export const ended = (reason: EndReason): HostMessage => ({ type: 'ended', payload: { reason } });

/** A session at the door. */
export const open = () =>
  new Session({
    capture: stage.capture as unknown as Own,
    memory: stage.memory,
    channel: () => {
      stage.channels.push(new FakeChannel(stage.seat));
      return channel();
    },
    inside: () =>
      new Promise((done) => {
        stage.fetched++;
        stage.arrive = done;
      }),
    still: stage.still,
    ...stage.parts,
  });

/** Rings the bell if a guest asked, and delivers what is behind the door. */
export async function arrived(): Promise<void> {
  channel().say(rung);
  stage.arrive(inside);
  await vi.waitFor(() => expect(ObservedEngine.made).toHaveLength(1));
}

/** Lets the guest in, and answers the host's offer. */
export async function letIn(session: Session): Promise<void> {
  channel().say(admitted());
  engine().answer();
  await vi.waitFor(() => expect(session.place.at).toBe('call'));
}

/** A session that has just been let in and has not answered the host's offer yet. Time stands still. */
export async function justAdmitted(): Promise<Session> {
  const session = open();
  channel().welcome();
  session.join('Ada');
  await arrived();
  vi.useFakeTimers();
  channel().say(admitted());
  return session;
}

/** A session in the call. */
export async function inCall(): Promise<Session> {
  const session = open();
  channel().welcome();
  session.join('Ada');
  await arrived();
  await letIn(session);
  return session;
}
