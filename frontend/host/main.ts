import '$src/ui/tokens.css';
import '$src/ui/base.css';
import { mount } from 'svelte';
import { getLocale } from '$src/i18n';
import App from './App.svelte';
import { insideApp, wails } from './model/backend';
import { Bell } from './model/bell';
import { Host } from './model/host.svelte';
import Outside from './Outside.svelte';

const target = document.getElementById('app')!;
document.documentElement.lang = getLocale();

if (insideApp()) {
  const bell = new Bell();
  const host = new Host({
    backend: wails(),
    client: crypto.randomUUID(),
    ring: () => bell.ring(),
  });
  mount(App, { target, props: { host } });
} else {
  mount(Outside, { target });
}
