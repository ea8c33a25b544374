import type { HostMessage } from '$src/transport';
import type { Figures } from './figures';

/** A camera, microphone or speaker. */
export interface Device {
  id: string;
  name: string;
  /** Devices of one machine have the same group, if it is known. */
  group?: string;
}

/** What there is to choose from; no speakers where the engine can't choose one. */
export interface Devices {
  cameras: Device[];
  microphones: Device[];
  speakers: Device[];
}

/** What the person has chosen: device ids, also of one that is away; '' is the system's default. */
export interface Choice {
  camera: string;
  microphone: string;
  speaker: string;
  /** What of the microphone's sound is left as it is; see Kept. */
  sound: string;
  /** An effect on the own picture, by its word; '' for none. */
  effect: string;
}

/** What there is to choose of. */
export type ChosenDevice = Exclude<keyof Choice, 'sound' | 'effect'>;

/**
 * Words of Choice.sound: noise is not suppressed, the level is not evened out; or nothing is done at all, not even against
 * echo.
 */
export type Kept = 'noise' | 'gain' | 'music';

/** What is wrong with a device; the sentence for it is in faults.ts. */
export type DeviceFault =
  | 'camera-missing'
  | 'camera-refused'
  | 'camera-busy'
  | 'camera-lost'
  | 'camera-held'
  | 'microphone-missing'
  | 'microphone-refused'
  | 'microphone-busy'
  | 'microphone-lost'
  | 'microphone-held'
  | 'speaker-missing'
  | 'speaker-lost'
  | 'engine-unavailable';

/** Why the own screen is not shared: forbidden or cancelled, which browsers don't tell apart; or there is none to share. */
export type ScreenFault = 'screen-refused' | 'screen-missing';

/** The own screen. Every readonly property is reactive. */
export interface OwnScreen {
  /** Lets the person choose a screen, a window or a tab, and opens it; to be called from a press. */
  open(): Promise<{ sound: boolean } | ScreenFault>;
  /** Ends it. Twice is fine. */
  close(): void;
  /** Called when it has ended without close: by the browser's own button, or because the window has gone. */
  onended: (() => void) | null;
  /** What the person is to choose from, where the app asks and not the browser; reactive. */
  readonly choice?: ScreenChoice | undefined;
  /** The answer to choice: a screen's id, '' for none. */
  choose?(id: string): void;
}

/** The screens of this computer, or why there are none. */
export interface ScreenChoice {
  screens: readonly { id: string; width: number; height: number }[];
  /** A fault's code. */
  fault: string;
}

/** A picture that is being drawn. */
export interface Picture {
  /** Width over height. */
  ratio: number;
}

/**
 * Captures and plays for the call view: in the page (src/media/webview) or in the app
 * (src/media/native). An engine owns both directions, because echo cancellation
 * needs both. Every readonly property and pictureOf are reactive.
 */
export interface MediaEngine {
  /** What is so, as opposed to what was asked for. */
  readonly muted: boolean;
  readonly cameraOff: boolean;
  /** Own level, 0 to 1, for a meter. */
  readonly level: number;
  readonly faults: readonly DeviceFault[];
  /** The media's path to the host. */
  readonly path: 'connecting' | 'open' | 'interrupted';
  /** The browser plays no sound before the person presses something; see allowSound. */
  readonly soundBlocked: boolean;
  readonly devices: Devices;
  readonly choice: Choice;

  /** Both resolve when it is so, or could not be made so (faults says why). */
  setMuted(muted: boolean): Promise<void>;
  setCameraOff(off: boolean): Promise<void>;
  choose(part: Partial<Choice>): Promise<void>;
  /** The own microphone, where the page has it. */
  readonly microphone?: MediaStreamTrack | undefined;
  /** Why an effect has ended by itself: this computer is too slow for it, or it can't be had; '' if none has. */
  readonly effectOver?: 'slow' | 'failed' | '';
  /** It has backgrounds and stickers, too. */
  readonly scenes?: boolean;
  /** It is on, and nothing comes from it. */
  readonly dead?: boolean;

  /** Opens again what failed. */
  retry(): Promise<void>;
  /** To be called from a press. */
  allowSound(): void;

  /** Whether somebody knocks, who may be let in at any moment: the own picture is made ready for them. */
  expect?(somebody: boolean): void;

  /** Takes the host's media messages: offer, tracks, candidate; ignores others. */
  receive(message: HostMessage): void;

  /** The own screen; missing where it can't be shared. */
  readonly screen?: OwnScreen;

  /** The picture of a participant or of its screen, OWN for the own; undefined before its first frame. */
  pictureOf(participant: string): Picture | undefined;
  /**
   * Draws a participant's picture in container, filling it, until the returned function is called. Untrack it: it reads
   * what changes with each picture that comes or goes.
   */
  attach(participant: string, container: HTMLElement): () => void;

  /** The track of a picture, to be drawn once more elsewhere; missing where pictures have none. Reactive. */
  trackOf?(participant: string): MediaStreamTrack | undefined;

  /** The connection to the host, where the page has one. */
  readonly connection?: RTCPeerConnection | undefined;
  /** Called when there is another one. */
  onconnection?: (() => void) | null;

  /** What the connection to the host has carried, where the page has one; undefined while there is none. */
  figures?(): Promise<Figures | undefined>;

  /** Lets go of devices and connections. Twice is fine. */
  close(): void;
}

/** Stands for the own picture in pictureOf and attach. */
export const OWN = 'own';

/**
 * Behind a participant's id it stands for their screen in pictureOf and attach; as in backend/media/codec. Not a function: a
 * module of nothing but constants is no part of what is loaded.
 */
export const SCREEN = '.screen';
