import { mount } from 'svelte';
import { Capture } from '$src/media/capture.svelte';
import { GuestTransport } from '$src/transport';
import '$src/ui/tokens.css';
import '$src/ui/base.css';
import { getLocale } from '$src/i18n';
import App from './App.svelte';
import { usable } from './browser';
import { memory } from './memory';
import { Session } from './session.svelte';

document.documentElement.lang = getLocale();
const target = document.getElementById('app')!;

if (usable(window)) {
  const session = new Session({
    capture: new Capture(undefined, memory.switches),
    memory,
    channel: (resumable) => new GuestTransport({ resumable }),
    inside: () => import('./inside'),
    still: async (track) => (await import('./door/still')).still(track),
  });
  mount(App, { target, props: { session } });
} else {
  void import('./pages/Unusable.svelte').then(({ default: Unusable }) =>
    mount(Unusable, { target }),
  );
}
