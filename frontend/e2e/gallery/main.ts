// Screens in made-up states, for looking at them: /?scene=NAME. Not shipped.
import '$src/ui/tokens.css';
import '$src/ui/base.css';
import { scenes as guest } from './guest';
import { scenes as host } from './host';

const scenes = { ...guest, ...host };

const name = new URLSearchParams(location.search).get('scene') ?? '';
const scene = scenes[name];
const target = document.getElementById('app')!;
if (scene) {
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
