import type { Choice, Devices } from '$src/call/engine';

/** Where own sound and picture come from: devices, or something drawn. */
export interface Source {
  /** Opens what is asked for, or rejects as getUserMedia does. */
  open(wanted: { audio: boolean; video: boolean }, choice: Choice): Promise<MediaStream>;
  devices(): Promise<Devices>;
  /** Calls back when devices come, go or are allowed, until the returned function is called. */
  watch(changed: () => void): () => void;
}

/** The cameras and microphones of this computer. */
export const hardware: Source = {
  open({ audio, video }, choice) {
    // Not optional chaining: without mediaDevices (a page without a secure context, some in-app
    // browsers) this rejects with a TypeError, which faultOf knows.
    return (async () =>
      navigator.mediaDevices.getUserMedia({
        audio: audio && {
          ...(choice.microphone && { deviceId: { exact: choice.microphone } }),
          echoCancellation: true,
          noiseSuppression: true,
          autoGainControl: true,
        },
        video: video && {
          ...(choice.camera ? { deviceId: { exact: choice.camera } } : { facingMode: 'user' }),
          width: { ideal: 1280 },
          height: { ideal: 720 },
          frameRate: { ideal: 30, max: 30 },
        },
      }))();
  },

  async devices() {
    const all = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
    const of = (kind: MediaDeviceKind) =>
      all
        .filter((device) => device.kind === kind && device.deviceId && device.label)
        // Chromium lists the default a second time, under an id of its own.
        .filter((device) => device.deviceId !== 'default' && device.deviceId !== 'communications')
        .map((device) => ({ id: device.deviceId, name: device.label }));
    return {
      cameras: of('videoinput'),
      microphones: of('audioinput'),
      speakers: 'setSinkId' in HTMLMediaElement.prototype ? of('audiooutput') : [],
    };
  },

  watch(changed) {
    const ended = new AbortController();
    const { signal } = ended;
    navigator.mediaDevices?.addEventListener?.('devicechange', changed, { signal });
    for (const name of ['camera', 'microphone']) {
      // Not every browser can be asked about these two.
      navigator.permissions
        ?.query({ name: name as PermissionName })
        .then((status) => status.addEventListener('change', changed, { signal }))
        .catch(() => {});
    }
    return () => ended.abort();
  },
};
