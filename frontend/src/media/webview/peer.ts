import { SCREEN } from '$src/media/engine';
import type { Figures } from '$src/media/figures';
import type {
  Candidate,
  GuestMessage,
  HostMessage,
  ICEServer,
  Kind,
  Layers,
  Screen,
  Slot,
} from '$src/transport';
import { instruct, limitSound, tuneScreen, type Wish } from './layers';
import { assign } from './slots';

/**
 * How long a path may be away before a restart is asked for, in milliseconds; and how long it takes at most until
 * somebody who was let in has a slot.
 */
const patience = 2000;

/**
 * How long the first picture of a connection is sent at half its size, in milliseconds. A browser begins with some
 * 300 kbit/s: of 1280 pixels it drops the first frames until it has scaled them down by itself, and the first one that
 * it encodes takes four times as long.
 */
const beginning = 3000;

/** How long a picture of several layers is sent in both sizes when it grows, in milliseconds, so that it never stands still. */
const growing = 1000;

/**
 * How many pictures are sent a second: to people, and while nobody sees them yet. The host's machine keeps those since the
 * last keyframe, and whoever comes has to decode them all.
 */
const full = 30;
const waiting = 10;

export interface PeerOptions {
  iceServers?: ICEServer[];
  /** Made beforehand, so that being let in does not wait for it. */
  certificate?: RTCCertificate;
  send(message: GuestMessage): void;
  /** The own track of a kind, if there is one. */
  own(kind: 'audio' | 'video'): MediaStreamTrack | undefined;
  /** The own sound goes out in stereo, as of music. */
  stereo(): boolean;
  /** The own screen, or the sound of it, if it is shared. */
  screen(kind: 'audio' | 'video'): MediaStreamTrack | undefined;
  /** Id of the own participant. */
  me(): string;
  /** Who is carried by which track, after each change. */
  ontracks(tracks: ReadonlyMap<string, Partial<Record<Kind, MediaStreamTrack>>>): void;
  onpath(path: 'connecting' | 'open' | 'interrupted'): void;
}

/**
 * The one connection to the host. It only ever answers: the host's first two
 * media sections take the own sound and picture, the others bring those of the
 * other participants. Whoever shares a screen gets two sections more for it.
 */
export class Peer {
  readonly #options: PeerOptions;
  readonly #connection: RTCPeerConnection;
  readonly #configuration: RTCConfiguration;
  #slots: readonly Slot[] = [];
  #screen: Screen = { participant: '' };
  #layers?: Layers; // what the host wants of the own picture and sound
  #own: RTCRtpTransceiver[] = []; // the first two; a browser takes those that it refuses out of its list
  #expecting = false;
  #size?: Wish['size']; // known once a picture has begun
  #seen = false; // by somebody, when it was last tuned
  #layered = false; // the own picture is sent in layers
  #grow?: ReturnType<typeof setTimeout>;
  #alone?: ReturnType<typeof setTimeout>;
  #early: RTCIceCandidateInit[] = [];
  #turn: Promise<void> = Promise.resolve();
  #tuned: Promise<void> = Promise.resolve();
  #screenTuned: Promise<void> = Promise.resolve();
  #tuning?: string; // how the sender's parameters are
  #again?: ReturnType<typeof setTimeout>;
  #restart?: ReturnType<typeof setTimeout>;

  constructor(options: PeerOptions) {
    this.#options = options;
    this.#configuration = {
      bundlePolicy: 'max-bundle',
      iceServers: options.iceServers ?? [],
      ...(options.certificate && { certificates: [options.certificate] }),
    };
    const connection = new RTCPeerConnection(this.#configuration);
    this.#connection = connection;
    connection.onicecandidate = ({ candidate }) => {
      if (candidate) options.send({ type: 'candidate', payload: wire(candidate) });
    };
    connection.onconnectionstatechange = () => this.#watch();
  }

  get connection(): RTCPeerConnection {
    return this.#connection;
  }

  /** Whether media can still flow, now or after a restart. */
  get alive(): boolean {
    return this.#connection.connectionState !== 'closed';
  }

  /** Takes the host's offer, candidates, assignment of slots and wishes for the own layers; other messages are not its business. */
  receive(message: HostMessage): void {
    switch (message.type) {
      case 'offer': {
        const { negotiation, sdp } = message.payload;
        this.#serially(() => this.#answer(negotiation, sdp));
        break;
      }
      case 'candidate':
        this.#candidate(message.payload);
        break;
      case 'tracks':
        this.#slots = message.payload.slots;
        this.#assign();
        this.#tune();
        break;
      case 'screen':
        this.#screen = message.payload;
        this.#assign();
        this.#carryScreen();
        break;
      case 'layers': {
        this.#layers = message.payload;
        this.#tune();
        this.#carryScreen();
        const sound = this.#own[0]?.sender;
        // What can't be limited is sent as it is.
        if (sound) limitSound(sound, this.#layers.audio?.maxBitrate).catch(() => {});
        break;
      }
    }
  }

  /** Whether somebody may come at any moment; see #tune. That nobody does counts after a while. */
  expect(somebody: boolean): void {
    clearTimeout(this.#alone);
    if (this.#expecting === somebody) return;
    const take = () => {
      this.#expecting = somebody;
      this.#tune();
    };
    if (somebody) take();
    else this.#alone = setTimeout(take, patience);
  }

  /** Sends the own tracks as they are now. */
  refresh(): void {
    this.#carry('audio');
    // An encoder that begins at another size begins twice.
    this.#tune().then(() => this.#carry('video'));
    this.#carryScreen();
  }

  #carry(kind: 'audio' | 'video'): void {
    put(this.#options.own(kind), this.#own[kind === 'audio' ? 0 : 1]?.sender);
  }

  /** Sends the own screen in the sections that the host has named for it. */
  #carryScreen(): void {
    for (const [kind, transceiver] of this.#presenting()) {
      // One that is not answered yet sends nothing.
      if (transceiver.direction !== 'sendonly') continue;
      const track = this.#options.screen(kind);
      if (kind === 'audio' || !track) {
        put(track, transceiver.sender);
        continue;
      }
      // Its size and rate have to be known when it begins. What can't be set is sent as browsers like it.
      this.#screenTuned = this.#screenTuned
        .then(() => tuneScreen(transceiver.sender, this.#layers))
        .catch(() => {})
        .then(() => put(this.#options.screen(kind), transceiver.sender));
    }
  }

  /** The transceivers of the sections for the own screen. */
  #presenting(): ['audio' | 'video', RTCRtpTransceiver][] {
    const { participant, audio, video } = this.#screen;
    if (!participant || participant !== this.#options.me()) return [];
    const found: ['audio' | 'video', RTCRtpTransceiver][] = [];
    for (const transceiver of this.#connection.getTransceivers()) {
      const { mid } = transceiver;
      if (mid === null) continue;
      if (mid === audio) found.push(['audio', transceiver]);
      if (mid === video) found.push(['video', transceiver]);
    }
    return found;
  }

  /** Takes these servers for the next ICE restart: the credentials of before may have expired. */
  use(iceServers: ICEServer[]): void {
    // Everything else has to be as it was.
    this.#connection.setConfiguration({ ...this.#configuration, iceServers });
  }

  /** Asks the host for an ICE restart. */
  restart(): void {
    this.#options.send({ type: 'restart', payload: {} });
  }

  /** What the connection has carried so far. */
  async figures(): Promise<Figures> {
    // Few look, so it comes when it is wanted.
    const { figuresOf } = await import('./figures');
    const stats = await this.#connection.getStats();
    const byTrack = new Map<string, string | null>();
    for (const { mid, receiver } of this.#connection.getTransceivers()) {
      byTrack.set(receiver.track.id, mid);
    }
    const byMid = new Map(this.#slots.map(({ mid, participant }) => [mid, participant]));
    return figuresOf(
      stats.values(),
      (mid, track) => byMid.get(mid ?? byTrack.get(track ?? '') ?? ''),
      performance.now(),
    );
  }

  close(): void {
    clearTimeout(this.#restart);
    clearTimeout(this.#again);
    clearTimeout(this.#alone);
    clearTimeout(this.#grow);
    this.#connection.onicecandidate = null;
    this.#connection.onconnectionstatechange = null;
    this.#connection.close();
  }

  // Nothing here waits before the answer but the browser's own work: this is
  // what a guest waits for after "Let in".
  async #answer(negotiation: number, sdp: string): Promise<void> {
    const connection = this.#connection;
    const wanted = this.#options.stereo() ? stereo(sdp) : sdp;
    await connection.setRemoteDescription({ type: 'offer', sdp: wanted });
    if (!this.#own.length) this.#own = connection.getTransceivers().slice(0, 2);
    const presenting = this.#presenting().map(([, transceiver]) => transceiver);
    for (const transceiver of [...this.#own, ...presenting]) {
      if (transceiver.direction === 'recvonly') transceiver.direction = 'sendonly';
    }
    const answer = await connection.createAnswer();
    // What others send in stereo is played in stereo.
    const said = stereo(answer.sdp!);
    const set = connection.setLocalDescription({ type: 'answer', sdp: said });
    this.#options.send({ type: 'answer', payload: { negotiation, sdp: said } });
    await set;
    // What is sent and shown is no part of the answer: it keeps the page's one thread from sealing that.
    this.refresh();
    this.#assign();
    for (const candidate of this.#early.splice(0)) await connection.addIceCandidate(candidate);
  }

  #candidate(payload: Candidate): void {
    const candidate: RTCIceCandidateInit = payload;
    this.#serially(async () => {
      if (this.#connection.remoteDescription) await this.#connection.addIceCandidate(candidate);
      else this.#early.push(candidate);
    });
  }

  /**
   * Sends no picture to an empty call, which spares an encoder and a battery, unless somebody is expected, and then few: an
   * encoder takes a while to begin. Nor one to a call in which nobody looks at it, as the host says. Resolves when it is so, or
   * can't be.
   */
  #tune(): Promise<void> {
    this.#tuned = this.#tuned
      .then(async () => {
        if (!this.alive || !this.#connection.remoteDescription) return;
        const seen = this.#slots.length > 0;
        const layers = this.#layers;
        if (seen && !this.#seen && this.#layered && this.#size === 'full') {
          // Whoever comes sees what is sent already: a layer more at this moment would hold up all of them.
          this.#size = 'small';
          this.#wait();
        }
        this.#seen = seen;
        const size = this.#begin(seen || this.#expecting);
        const rate = seen ? full : waiting;
        const { width = 0, height = 0 } = this.#options.own('video')?.getSettings() ?? {};
        const wish: Wish = { layers, seen, expecting: this.#expecting, size, rate, width, height };
        const text = JSON.stringify(wish);
        // Asked for its parameters the browser has the page wait for its other threads.
        if (text === this.#tuning) return;
        const sender = this.#own[1]?.sender;
        const parameters = sender?.getParameters();
        if (!parameters?.encodings?.length) return;
        this.#layered = parameters.encodings.length > 1;
        instruct(parameters.encodings, wish);
        await sender!.setParameters(parameters);
        this.#tuning = text;
      })
      // Nobody waits for it. A connection that was closed meanwhile rejects it; one in mid-change may, too.
      .catch(() => {
        clearTimeout(this.#again);
        if (this.alive) this.#again = setTimeout(() => this.#tune(), 500);
      });
    return this.#tuned;
  }

  /**
   * In which size the picture is sent now: the first one of this connection, if it is large, begins small. Later ones begin
   * at the size that the browser has found.
   */
  #begin(active: boolean): Wish['size'] {
    const track = this.#options.own('video');
    if (!this.#size && active && track) {
      const { width = 0, height = 0 } = track.getSettings();
      this.#size = Math.max(width, height) < 1280 ? 'full' : 'small';
      if (this.#size === 'small') this.#wait();
    }
    return this.#size ?? 'full';
  }

  /** Lets the picture grow after a while, unless the line is too slow even for what is sent: each change costs a keyframe. */
  #wait(): void {
    this.#grow = setTimeout(async () => {
      const stats = await this.#own[1]?.sender.getStats().catch(() => undefined);
      if (!this.alive) return;
      for (const [, { qualityLimitationReason }] of stats ?? []) {
        if (qualityLimitationReason === 'bandwidth') return this.#wait();
      }
      this.#size = 'growing';
      this.#tune();
      this.#grow = setTimeout(() => {
        this.#size = 'full';
        this.#tune();
      }, growing);
    }, beginning);
  }

  #assign(): void {
    const byMid = new Map<string, MediaStreamTrack>();
    for (const { mid, receiver } of this.#connection.getTransceivers()) {
      if (mid !== null) byMid.set(mid, receiver.track);
    }
    const { participant, audio, video } = this.#screen;
    const slots = [...this.#slots];
    if (participant && participant !== this.#options.me()) {
      const of = `${participant}${SCREEN}`;
      if (audio) slots.push({ mid: audio, participant: of, kind: 'audio' });
      if (video) slots.push({ mid: video, participant: of, kind: 'video' });
    }
    this.#options.ontracks(assign(slots, byMid));
  }

  #watch(): void {
    const state = this.#connection.connectionState;
    clearTimeout(this.#restart);
    if (state === 'connected') {
      this.#options.onpath('open');
    } else if (state === 'disconnected' || state === 'failed') {
      this.#options.onpath('interrupted');
      this.#restart = setTimeout(() => this.restart(), state === 'failed' ? 0 : patience);
    }
  }

  // Descriptions and candidates one after another; after close they fail, which nobody needs to hear.
  #serially(work: () => Promise<void>): void {
    this.#turn = this.#turn.then(work).catch((error: unknown) => {
      if (this.alive) console.warn('peer:', error instanceof Error ? error.name : error);
    });
  }
}

/** A description that takes Opus in two channels (RFC 7587, section 6.1): 111, as the host's offers name it. */
function stereo(sdp: string): string {
  return sdp.replace(/^(a=fmtp:111 (?!.*\bstereo=)[^\r\n]*)/gm, '$1;stereo=1');
}

/** Makes a sender send a track, or nothing. A rejection means that the connection was closed meanwhile. */
function put(track: MediaStreamTrack | undefined, sender: RTCRtpSender | undefined): void {
  const next = track ?? null;
  if (sender && sender.track !== next) sender.replaceTrack(next).catch(() => {});
}

function wire(candidate: RTCIceCandidate): Candidate {
  return {
    candidate: candidate.candidate,
    ...(candidate.sdpMid !== null && { sdpMid: candidate.sdpMid }),
    ...(candidate.sdpMLineIndex !== null && { sdpMLineIndex: candidate.sdpMLineIndex }),
    ...(candidate.usernameFragment && { usernameFragment: candidate.usernameFragment }),
  };
}
