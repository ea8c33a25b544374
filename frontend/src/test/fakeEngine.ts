// For tests and the gallery: an engine without devices, connections and pictures.
import type {
  Choice,
  DeviceFault,
  Devices,
  MediaEngine,
  OwnScreen,
  Picture,
} from '../media/engine';
import type { Figures } from '../media/figures';
import type { HostMessage } from '../transport';

/** An engine that does at once what it is asked for, and nothing else. */
export class FakeEngine implements MediaEngine {
  muted = false;
  cameraOff = false;
  level = 0;
  faults: DeviceFault[] = [];
  path: MediaEngine['path'] = 'open';
  soundBlocked = false;
  devices: Devices = { cameras: [], microphones: [], speakers: [] };
  choice: Choice = { camera: '', microphone: '', speaker: '', sound: '', effect: '' };
  readonly scenes = true;
  screen?: OwnScreen;
  closed = false;
  /** The types of the messages that came, in order. */
  readonly received: HostMessage['type'][] = [];

  async setMuted(muted: boolean): Promise<void> {
    this.muted = muted;
  }

  async setCameraOff(off: boolean): Promise<void> {
    this.cameraOff = off;
  }

  async choose(): Promise<void> {}

  async retry(): Promise<void> {}

  allowSound(): void {}

  receive(message: HostMessage): void {
    this.received.push(message.type);
  }

  figures?(): Promise<Figures | undefined>;

  pictureOf(_participant: string): Picture | undefined {
    return undefined;
  }

  attach(_participant: string, _container: HTMLElement): () => void {
    return () => {};
  }

  close(): void {
    this.closed = true;
  }
}
