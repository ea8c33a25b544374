import { mount } from 'svelte';
import { GuestTransport, type LinkAddress, parseLocation } from '$src/transport';
import '$src/ui/tokens.css';
import '$src/ui/base.css';
import { keepWords } from '$src/ui/hands';
import App from './App.svelte';
import { usable } from './browser';
import { LaterCapture } from './capture.svelte';
import { language } from './language.svelte';
import { memory } from './memory';
import { Session } from './session.svelte';

const target = document.getElementById('app')!;
keepWords(document.body);

function begin(link: LinkAddress): void {
  if (!usable(window)) {
    void language
      .later(() => import('./pages/Unusable.svelte'))
      .then(({ default: Unusable }) => mount(Unusable, { target }));
    return;
  }
  const session = new Session({
    capture: new LaterCapture(() => import('$src/media/webview/capture.svelte'), memory.switches),
    memory,
    channel: (resumable) => new GuestTransport({ link, resumable }),
    inside: () => language.later(() => import('./inside')),
    still: async (track) => (await import('./door/still')).still(track),
  });
  mount(App, { target, props: { session } });
}

// Not awaited here: a chunk that waits has to be apart from all that others share with it.
void language.begin(memory).then(() => {
  const link = parseLocation(location.pathname, location.hash);
  if (link) begin(link);
  else
    void language
      .later(() => import('./pages/transit'))
      .then(({ arrive }) => arrive(target, begin));
});
