import { mount } from 'svelte';
import { GuestTransport, type LinkAddress, parseLocation } from '$src/transport';
import '$src/ui/tokens.css';
import '$src/ui/base.css';
import { getLocale } from '$src/i18n';
import { keepWords } from '$src/ui/hands';
import App from './App.svelte';
import { usable } from './browser';
import { LaterCapture } from './capture.svelte';
import { memory } from './memory';
import { Session } from './session.svelte';

document.documentElement.lang = getLocale();
const target = document.getElementById('app')!;
keepWords(document.body);

function begin(link: LinkAddress): void {
  if (!usable(window)) {
    void import('./pages/Unusable.svelte').then(({ default: Unusable }) =>
      mount(Unusable, { target }),
    );
    return;
  }
  const session = new Session({
    capture: new LaterCapture(() => import('$src/media/webview/capture.svelte'), memory.switches),
    memory,
    channel: (resumable) => new GuestTransport({ link, resumable }),
    inside: () => import('./inside'),
    still: async (track) => (await import('./door/still')).still(track),
  });
  mount(App, { target, props: { session } });
}

const link = parseLocation(location.pathname, location.hash);
if (link) begin(link);
else void import('./pages/transit').then(({ arrive }) => arrive(target, begin));
