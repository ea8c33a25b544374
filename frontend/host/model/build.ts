import type { FileWay } from '$src/call/model/fileWay';
import type { MediaEngine } from '$src/media/engine';
import { NativeEngine } from '$src/media/native/native.svelte';
import { Capture } from '$src/media/webview/capture.svelte';
import { hardware } from '$src/media/webview/source';
import { synthetic } from '$src/media/webview/synthetic';
import { WebviewEngine } from '$src/media/webview/webview.svelte';
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
    return { transport, engine, files: filesBy(transport) };
  };

/** Files come and go by the socket, and the app saves them. */
function filesBy(transport: LoopbackTransport): FileWay {
  const way: FileWay = {
    open: () => {},
    send: (frame) => transport.sendFile(frame),
    save: (line) => transport.saveFile(line),
    onframe: null,
    onanew: null,
    onsaved: null,
  };
  transport.onfile = (frame) => way.onframe?.(frame);
  transport.onsaved = (saved) => way.onsaved?.(saved);
  return way;
}

function webview(transport: LoopbackTransport, how: How, state: State): MediaEngine {
  const { engines, settings } = state;
  const capture = new Capture(engines.synthetic ? synthetic : hardware, how);
  const { camera, microphone, speaker, sound, effect } = settings;
  void capture.choose({ camera, microphone, speaker, sound, effect });
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
  const { camera, microphone, speaker, sound, effect } = settings;
  const engine = new NativeEngine({
    ...how,
    choice: { camera, microphone, speaker, sound, effect },
    devices: () => commands.devices(),
    requestKeyframe: (participant) => transport.requestKeyframe(participant),
    screens: {
      list: () => transport.listScreens(),
      share: (id) => transport.shareScreen(id),
    },
  });
  transport.onscreens = (screens) => engine.screen.take(screens);
  transport.onownscreen = (state) => engine.screen.tell(state);
  transport.onframe = (frame) => engine.show(frame);
  transport.ondevices = (devices) => engine.hear(devices);
  return engine;
}
