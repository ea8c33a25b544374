import { mount } from 'svelte';
import '$src/ui/tokens.css';
import '$src/ui/base.css';
import { keepWords } from '$src/ui/hands';
import App from './App.svelte';
import { usable } from './browser';
import { LaterCapture } from './capture.svelte';
import { language } from './language.svelte';
import { memory } from './memory';
import { type Channel, Session } from './session.svelte';

const request = () => import('./door/request');

export const target = document.getElementById('app')!;
keepWords(document.body);

/** Draws the page of a link, over a channel that leads to its host. */
export function start(channel: (resumable: () => boolean) => Channel, direct = false): void {
  if (!usable(window)) {
    void language
      .later(() => import('./pages/early'))
      .then(({ Unusable }) => mount(Unusable, { target }));
    return;
  }
  const session = new Session({
    capture: new LaterCapture(() => import('$src/media/webview/capture.svelte'), memory.switches),
    memory,
    channel,
    direct,
    inside: () => language.later(() => import('./inside')),
    prove: (...of) =>
      request().then(
        ({ prove }) => prove(...of),
        () => undefined,
      ),
    still: async (track) => (await request()).still(track),
  });
  mount(App, { target, props: { session } });
}
