import type { OwnScreen, ScreenFault } from '$src/media/engine';

/**
 * What is asked for: not more than a picture of 1080 lines; a tab's sound as it is. Not the system's sound, which has the
 * call in it, nor this page itself.
 */
const wanted = {
  video: { width: { max: 1920 }, height: { max: 1080 }, frameRate: { max: 30 } },
  audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
  systemAudio: 'exclude',
  selfBrowserSurface: 'exclude',
  surfaceSwitching: 'include',
};

/** The own screen, a window or a tab, by the browser. */
export class WebviewScreen implements OwnScreen {
  onended: (() => void) | null = null;
  /** Called whenever a track is another. */
  onchange: (() => void) | null = null;
  video: MediaStreamTrack | undefined;
  audio: MediaStreamTrack | undefined;

  /** The own screen, where the browser can share it. */
  static make(): WebviewScreen | undefined {
    const devices = globalThis.navigator?.mediaDevices; // undefined without a secure context
    return devices && 'getDisplayMedia' in devices ? new WebviewScreen() : undefined;
  }

  async open(): Promise<{ sound: boolean } | ScreenFault> {
    let stream: MediaStream;
    try {
      stream = await navigator.mediaDevices.getDisplayMedia(wanted);
    } catch (error) {
      return error instanceof Error && error.name === 'NotAllowedError'
        ? 'screen-refused'
        : 'screen-missing';
    }
    this.close();
    [this.video] = stream.getVideoTracks();
    [this.audio] = stream.getAudioTracks();
    if (this.video) {
      this.video.contentHint = 'detail'; // text has to be sharp, and may come later
      this.video.onended = () => {
        this.close();
        this.onended?.();
      };
    }
    if (this.audio) this.audio.contentHint = 'music';
    this.onchange?.();
    return { sound: this.audio !== undefined };
  }

  close(): void {
    if (!this.video && !this.audio) return;
    for (const track of [this.video, this.audio]) {
      if (!track) continue;
      track.onended = null;
      track.stop();
    }
    this.video = this.audio = undefined;
    this.onchange?.();
  }
}
