import { Capture } from '$src/media/capture.svelte';
import { hardware } from '$src/media/source';
import { synthetic } from '$src/media/synthetic';
import { WebviewEngine } from '$src/media/webview.svelte';
import { LoopbackTransport } from '$src/transport';
import type { Entry, State } from './backend';
import type { Parts } from './presence.svelte';

/** The loopback socket and the media engine of an entry into a call. */
export function build(
  entry: Entry,
  how: { muted: boolean; cameraOff: boolean },
  { engines, settings }: State,
): Parts {
  const transport = new LoopbackTransport(entry);
  const capture = new Capture(engines.synthetic ? synthetic : hardware, how);
  capture.choice = { camera: settings.camera, microphone: settings.microphone, speaker: '' };
  const engine = new WebviewEngine(capture, (message) => transport.send(message));
  void engine.choose({ speaker: settings.speaker });
  void capture.open();
  return { transport, engine };
}
