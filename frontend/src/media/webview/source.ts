import type { Choice, Devices } from '$src/media/engine';
import { whenInFront } from './front';

/** Where own sound and picture come from: devices, or something drawn. */
export interface Source {
  /** Opens what is asked for, or rejects as getUserMedia does. */
  open(wanted: { audio: boolean; video: boolean }, choice: Choice): Promise<MediaStream>;
  devices(): Promise<Devices>;
  /** Calls back until the returned function is called. */
  watch(changed: Changes): () => void;
}

export interface Changes {
  /** Devices have come or gone. */
  devices(): void;
  /** The person allows a device. */
  allowed(): void;
  /** The page is looked at again. */
  front(): void;
}

/** What the browser does to the sound of a microphone. */
export function processing(sound: string): MediaTrackConstraints {
  const kept = new Set(sound.split(' '));
  const music = kept.has('music');
  return {
    echoCancellation: !music,
    noiseSuppression: !music && !kept.has('noise'),
    autoGainControl: !music && !kept.has('gain'),
    ...(music && { channelCount: { ideal: 2 } }),
  };
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
          ...processing(choice.sound),
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
    const all = (await navigator.mediaDevices?.enumerateDevices?.().catch(() => [])) ?? [];
    const of = (kind: MediaDeviceKind) =>
      all
        .filter((device) => device.kind === kind && device.deviceId && device.label)
        // Chromium lists the default a second time, under an id of its own.
        .filter((device) => device.deviceId !== 'default' && device.deviceId !== 'communications')
        .map(({ deviceId: id, label: name, groupId: group }) => ({ id, name, group }));
    return {
      cameras: of('videoinput'),
      microphones: of('audioinput'),
      speakers: 'setSinkId' in HTMLMediaElement.prototype ? of('audiooutput') : [],
    };
  },

  watch({ devices, allowed, front }) {
    const ended = new AbortController();
    const { signal } = ended;
    navigator.mediaDevices?.addEventListener?.('devicechange', devices, { signal });
    for (const name of ['camera', 'microphone']) {
      // Not every browser can be asked about these two.
      navigator.permissions
        ?.query({ name: name as PermissionName })
        .then((status) => {
          const changed = () => {
            if (status.state === 'granted') allowed();
          };
          status.addEventListener('change', changed, { signal });
        })
        .catch(() => {});
    }
    whenInFront(front, signal);
    return () => ended.abort();
  },
};
