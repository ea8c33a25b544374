import { mount } from 'svelte';
import { Capture } from '$src/media/capture.svelte';
import { WebviewEngine } from '$src/media/webview.svelte';
import { GuestTransport } from '$src/transport/guest';
import '$src/ui/tokens.css';
import '$src/ui/base.css';
import { getLocale } from '$src/i18n';
import App from './App.svelte';
import { usable } from './browser';
import { memory } from './memory';
import Unusable from './pages/Unusable.svelte';
import { Session } from './session.svelte';

document.documentElement.lang = getLocale();
const target = document.getElementById('app')!;

if (usable(window)) {
  const capture = new Capture(undefined, memory.switches);
  let session: Session;
  const engine = new WebviewEngine(capture, (message) => session.send(message));
  session = new Session({
    capture,
    engine,
    memory,
    channel: () => new GuestTransport({ resumable: () => engine.alive }),
  });
  mount(App, { target, props: { session } });
} else {
  mount(Unusable, { target });
}
