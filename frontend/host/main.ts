import '$src/ui/tokens.css';
import '$src/ui/base.css';
import { mount } from 'svelte';
import { warm } from '$src/media/webview/warm';
import { backoff } from '$src/transport/backoff';
import { keepWords } from '$src/ui/hands';
import App from './App.svelte';
import { clientName, insideApp, wails } from './model/backend';
import { Bell } from './model/bell';
import { builder } from './model/build';
import { capability } from './model/engines';
import { Host } from './model/host.svelte';
import { languageFor, speakLike } from './model/language';
import { memory } from './model/memory';
import Outside from './Outside.svelte';

const target = document.getElementById('app')!;
await speakLike(languageFor(memory.language));
keepWords(document.body);

if (insideApp()) {
  const bell = new Bell();
  const client = clientName();
  const backend = wails(client);
  const engine = capability();
  void backend.speak(languageFor(memory.language)).catch(() => {}); // it may have to say why it can't open
  const host = new Host({
    backend,
    client,
    ring: () => bell.ring(),
    engine,
    prepare: engine === 'webview' ? warm : () => {},
    build: builder(backend),
    backoff,
    memory,
  });
  mount(App, { target, props: { host } });
} else {
  mount(Outside, { target });
}
