import type { Choice, DeviceFault, Devices, MediaEngine, Picture } from '$src/media/engine';
import { OWN } from '$src/media/engine';
import type { Figures } from '$src/media/figures';
import type { GuestMessage, HostMessage, ICEServer, Kind } from '$src/transport';
import type { Own } from './capture.svelte';
import { whenInFront } from './front';
import { Peer } from './peer';
import { Pictures } from './pictures.svelte';
import { Playback } from './playback.svelte';
import { WebviewScreen } from './screen';

/**
 * The engine of every browser, and of the host's window where the webview has
 * RTCPeerConnection. It makes no connection before enter, or the first offer
 * where nobody calls enter.
 */
export class WebviewEngine implements MediaEngine {
  path = $state<'connecting' | 'open' | 'interrupted'>('connecting');
  onconnection: (() => void) | null = null;
  readonly screen = WebviewScreen.make();
  readonly #capture: Own;
  readonly #send: (message: GuestMessage) => void;
  readonly #pictures = new Pictures();
  readonly #playback = new Playback();
  #peer?: Peer;
  #certificate?: RTCCertificate;
  #you = ''; // the own participant
  #remote: ReadonlyMap<string, Partial<Record<Kind, MediaStreamTrack>>> = new Map();
  #speakerFault = $state(false);
  #speaker = ''; // that everything is played through
  readonly #over = new AbortController();
  #expecting = false;

  constructor(capture: Own, send: (message: GuestMessage) => void) {
    this.#capture = capture;
    this.#send = send;
    capture.onchange = () => {
      this.#peer?.refresh();
      this.#show();
    };
    capture.onlist = () => void this.#route();
    if (this.screen) this.screen.onchange = () => this.#peer?.refresh();
    this.#show();
    void this.#route();
    const { signal } = this.#over;
    const play = () => {
      this.#playback.now();
      this.#pictures.now();
    };
    whenInFront(play, signal);
    // A press is what browsers wait for.
    for (const press of ['pointerup', 'keydown']) addEventListener(press, play, { signal });
  }

  /**
   * Makes what a connection needs and a person would wait for: a certificate, and the browser's codecs and threads,
   * which it makes when it is first asked about them. No connection.
   */
  async prepare(): Promise<void> {
    try {
      RTCRtpReceiver.getCapabilities?.('video');
      const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
      this.#certificate ??= await RTCPeerConnection.generateCertificate(algorithm);
    } catch {
      // A connection makes its own; one that is forbidden says so when it is made.
    }
  }

  /** Whether there is a connection that could go on after a reconnection. */
  get alive(): boolean {
    return this.#peer?.alive ?? false;
  }

  /** Begins a new connection. */
  enter(iceServers: ICEServer[] = []): void {
    this.#drop();
    this.#peer = new Peer({
      iceServers,
      certificate: this.#certificate,
      send: this.#send,
      own: (kind) => this.#capture[kind],
      stereo: () => this.#capture.choice.sound === 'music',
      screen: (kind) => this.screen?.[kind],
      me: () => this.#you,
      ontracks: (tracks) => {
        this.#remote = tracks;
        this.#show();
      },
      onpath: (path) => {
        this.path = path;
      },
    });
    this.#peer.expect(this.#expecting);
    this.onconnection?.();
  }

  /** The connection of before goes on after a reconnection of the channel, by other servers if some are given. */
  resume(iceServers?: ICEServer[]): void {
    if (iceServers?.length) this.#peer?.use(iceServers);
    if (this.path !== 'open') this.#peer?.restart();
  }

  /** Ends the connection and keeps the devices, as for waiting again. */
  leave(): void {
    this.#drop();
  }

  get muted(): boolean {
    return this.#capture.silent;
  }

  get cameraOff(): boolean {
    return this.#capture.dark;
  }

  get level(): number {
    return this.#capture.level;
  }

  get connection(): RTCPeerConnection | undefined {
    return this.#peer?.connection;
  }

  get microphone(): MediaStreamTrack | undefined {
    return this.#capture.audio;
  }

  readonly scenes = 'OffscreenCanvas' in globalThis && 'WebAssembly' in globalThis;

  get effectOver(): Own['effectOver'] {
    return this.#capture.effectOver;
  }

  get dead(): boolean {
    return this.#capture.dead;
  }

  get faults(): readonly DeviceFault[] {
    return this.#speakerFault ? [...this.#capture.faults, 'speaker-missing'] : this.#capture.faults;
  }

  get soundBlocked(): boolean {
    return this.#playback.blocked;
  }

  get devices(): Devices {
    return this.#capture.devices;
  }

  get choice(): Choice {
    return this.#capture.choice;
  }

  setMuted(muted: boolean): Promise<void> {
    return this.#capture.setMuted(muted);
  }

  setCameraOff(off: boolean): Promise<void> {
    return this.#capture.setCameraOff(off);
  }

  async choose(part: Partial<Choice>): Promise<void> {
    const before = this.choice.sound;
    await this.#capture.choose(part);
    // One channel or two is a matter of the description.
    if (before !== this.choice.sound && [before, this.choice.sound].includes('music'))
      this.#peer?.restart();
    await this.#route();
  }

  async retry(): Promise<void> {
    await this.#capture.open();
    await this.#route();
  }

  allowSound(): void {
    this.#playback.now();
  }

  expect(somebody: boolean): void {
    this.#expecting = somebody;
    this.#peer?.expect(somebody);
  }

  receive(message: HostMessage): void {
    if (message.type === 'roster') this.#you = message.payload.you;
    if (message.type === 'offer' && !this.#peer) this.enter();
    this.#peer?.receive(message);
  }

  pictureOf(participant: string): Picture | undefined {
    return this.#pictures.of(participant);
  }

  trackOf(participant: string): MediaStreamTrack | undefined {
    return this.#pictures.trackOf(participant);
  }

  attach(participant: string, container: HTMLElement): () => void {
    return this.#pictures.attach(participant, container);
  }

  async figures(): Promise<Figures | undefined> {
    return this.#peer?.figures();
  }

  close(): void {
    this.#over.abort();
    this.screen?.close();
    this.#drop();
    this.#playback.close();
    this.#capture.close();
  }

  /** Plays through the chosen speaker, or the default while that is away. */
  async #route(): Promise<void> {
    const { choice, devices } = this.#capture;
    const { speakers } = devices; // empty where a page may not know them
    const away = speakers.length > 0 && !speakers.some(({ id }) => id === choice.speaker);
    const to = away ? '' : choice.speaker;
    if (to === this.#speaker) return;
    this.#speaker = to;
    try {
      await this.#playback.through(to);
      this.#speakerFault = false;
    } catch (error) {
      if (this.#speaker !== to) return; // another one was chosen meanwhile
      // Pulled out just now, it is away; what is there and can't be used is a fault.
      this.#speakerFault = !(error instanceof Error && error.name === 'NotFoundError');
      this.#speaker = '';
      await this.#playback.through('').catch(() => {});
    }
  }

  #drop(): void {
    this.#peer?.close();
    this.#peer = undefined;
    this.path = 'connecting';
    this.#remote = new Map();
    this.#show();
  }

  #show(): void {
    const sound = new Map<string, MediaStreamTrack>();
    const picture = new Map<string, MediaStreamTrack>();
    for (const [participant, { audio, video }] of this.#remote) {
      if (audio) sound.set(participant, audio);
      if (video) picture.set(participant, video);
    }
    if (this.#capture.video) picture.set(OWN, this.#capture.video);
    this.#playback.play(sound);
    this.#pictures.show(picture);
  }
}
