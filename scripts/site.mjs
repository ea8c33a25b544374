// Makes the home page from site/, the app's own colours and its drawing of a porch, and the screenshots.
// node scripts/site.mjs VERSION [SHA256SUMS] [--out=FOLDER]. The folder is build/site unless it is named. With the sums of a release the page has its downloads; without, it says
// that there are none yet.
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const args = process.argv.slice(2);
const [version, sums] = args.filter((arg) => !arg.startsWith('--out='));
const project = 'https://github.com/porch-call/porch';
const out = args.find((arg) => arg.startsWith('--out='))?.slice('--out='.length) ?? 'build/site';

const read = (file) => readFileSync(file, 'utf8');
const escape = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.codePointAt(0)};`);

/** The download of a system: the file of the release whose name ends so. */
function download(ending, label) {
  if (!sums) return '';
  const line = read(sums)
    .split('\n')
    .find((line) => line.endsWith(ending));
  if (!line) throw new Error(`site: no file in ${sums} ends with ${ending}`);
  const [sum, name] = line.split(/\s+/);
  const href = `${project}/releases/download/v${version}/${encodeURIComponent(name)}`;
  return (
    `<p><a class="button" href="${escape(href)}">${label}</a></p>` +
    `<p class="small">Version ${escape(version)} · SHA-256 <code>${sum.slice(0, 16)}…</code></p>`
  );
}

const drawing = read('frontend/host/home/PorchDrawing.svelte');
const porch = drawing.match(/<svg[\s\S]*<\/svg>/)?.[0];
const porchStyle = drawing.match(/<style>([\s\S]*)<\/style>/)?.[1];
if (!porch || !porchStyle) throw new Error('site: PorchDrawing.svelte is not as it was');

const parts = {
  PORCH: porch,
  NOTE: sums
    ? `<p class="small">Everything else, Flatpak and the relay among it: <a href="${project}/releases/tag/v${escape(version)}">all files of this release</a>.</p>`
    : `<p class="note">There is no release yet. Until there is, <a href="${project}#build-it-yourself">build Porch from its source</a>, which takes one command on Debian or Ubuntu.</p>`,
  WINDOWS: download('-windows-setup.exe', 'Download for Windows'),
  MACOS: download('-macos.dmg', 'Download for Mac'),
  LINUX: download('_amd64.deb', 'Download for Linux'),
  VERSION: sums ? escape(version) : '',
};
const page = read('site/index.html').replace(/<!-- ([A-Z]+) -->/g, (all, name) => {
  if (!(name in parts)) throw new Error(`site: nothing for ${all}`);
  return parts[name];
});

mkdirSync(out, { recursive: true });
writeFileSync(join(out, 'index.html'), page);
writeFileSync(
  join(out, 'style.css'),
  read('frontend/src/ui/tokens.css') + read('site/style.css') + porchStyle,
);
copyFileSync('build/appicon.svg', join(out, 'icon.svg'));
for (const image of ['call.png', 'share.png', 'waiting.png'])
  copyFileSync(join('docs/images', image), join(out, image));
console.log(
  `site: ${out}/index.html, ${sums ? `with the downloads of ${version}` : 'without downloads'}`,
);
