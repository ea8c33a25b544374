import type { MediaEngine } from '$src/call/engine';
import { Capture } from '$src/media/capture.svelte';
import { hardware } from '$src/media/source';
import { synthetic } from '$src/media/synthetic';
import { WebviewEngine } from '$src/media/webview.svelte';
import { NativeEngine } from '$src/native/native.svelte';
import { LoopbackTransport } from '$src/transport';
import type { Commands, Entry, State } from './backend';
import type { Parts } from './presence.svelte';

/** How microphone and camera begin. */
interface How {
  muted: boolean;
  cameraOff: boolean;
}

/** The loopback socket and the media engine of an entry into a call. */
export const builder =
  (commands: Pick<Commands, 'devices'>) =>
  (entry: Entry, how: How, state: State): Parts => {
    const transport = new LoopbackTransport(entry);
    const engine =
      entry.engine === 'native'
        ? native(transport, how, state, commands)
        : webview(transport, how, state);
    return { transport, engine };
  };

function webview(transport: LoopbackTransport, how: How, state: State): MediaEngine {
  const { engines, settings } = state;
  const capture = new Capture(engines.synthetic ? synthetic : hardware, how);
  const { camera, microphone, speaker } = settings;
  void capture.choose({ camera, microphone, speaker });
  const engine = new WebviewEngine(capture, (message) => transport.send(message));
  void capture.open();
  return engine;
}

function native(
  transport: LoopbackTransport,
  how: How,
  { settings }: State,
  commands: Pick<Commands, 'devices'>,
): MediaEngine {
  const { camera, microphone, speaker } = settings;
  const engine = new NativeEngine({
    ...how,
    choice: { camera, microphone, speaker },
    devices: () => commands.devices(),
    requestKeyframe: (participant) => transport.requestKeyframe(participant),
  });
  transport.onframe = (frame) => engine.show(frame);
  transport.ondevices = (devices) => engine.hear(devices);
  return engine;
}
