// Screens in made-up states, for looking at them: /?scene=NAME. Not shipped.
import '$src/ui/tokens.css';
import '$src/ui/base.css';
import { best, textsOf, use } from '$src/i18n/load';
import { language } from '../../guest/language.svelte';
import { scenes as guest } from './guest';
import { scenes as host } from './host';

const scenes = { ...guest, ...host };

const doors = import.meta.glob('../../src/i18n/generated/guest/door.*.ts');
const hosts = import.meta.glob('../../src/i18n/generated/host/all.*.ts');

/** Both pages' texts in the browser's language: messages have the same numbers in both. */
async function speak(): Promise<void> {
  const locale = best(navigator.languages);
  const door = await textsOf(locale, doors);
  const rest = await door.rest();
  const texts = [...(await textsOf(locale, hosts)).default];
  for (const [i, text] of [...door.default, ...rest.default].entries()) texts[i] = text;
  use(locale, texts);
  language.now = locale;
}

const name = new URLSearchParams(location.search).get('scene') ?? '';
const scene = scenes[name];
const target = document.getElementById('app')!;
if (scene) {
  await speak();
  await scene(target);
  document.documentElement.dataset.ready = '';
} else {
  for (const each of Object.keys(scenes)) {
    const link = document.createElement('a');
    link.href = `?scene=${each}`;
    link.textContent = each;
    target.append(link, document.createElement('br'));
  }
}
