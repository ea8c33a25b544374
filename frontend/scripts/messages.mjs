// Compiles messages/*/*.json into the functions of src/i18n/generated. Nothing
// is fetched: the plugin that reads the files comes from node_modules.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { compile } from '@inlang/paraglide-js';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

await compile({
  project: here('../project.inlang'),
  outdir: here('../src/i18n/generated'),
  emitGitIgnore: false,
  emitReadme: false,
  emitPrettierIgnore: false,
});

// The messages ask a runtime for the language. Paraglide's own is made for
// servers, addresses and cookies too and weighs more than all else of it; this
// one takes the browser's wish.
const { baseLocale, locales } = JSON.parse(
  readFileSync(here('../project.inlang/settings.json'), 'utf8'),
);
writeFileSync(
  here('../src/i18n/generated/runtime.js'),
  `/** @typedef {string} LocalizedString */
/** @template Inputs, Options, Markup @typedef {{}} MessageMetadata */
const locales = ${JSON.stringify(locales)};
const wished = (globalThis.navigator?.languages ?? []).map((tag) => tag.split('-')[0]);
const chosen = wished.find((language) => locales.includes(language)) ?? ${JSON.stringify(baseLocale)};
/** The language of the page: a locale of the project. */
export const getLocale = () => chosen;
export const experimentalStaticLocale = undefined;
`,
);

// Both pages have one language while they are open, so a message need not ask for options: a fifth of its weight.
const folder = here('../src/i18n/generated/messages/');
const asks = /\n\tconst locale = experimentalStaticLocale \?\? options\.locale \?\? getLocale\(\)/;
const files = readdirSync(folder).filter((name) => /^[a-z].*\.js$/.test(name));
for (const name of files) {
  const compiled = readFileSync(folder + name, 'utf8');
  if (!asks.test(compiled)) throw new Error(`${name} is not compiled as it was`);
  writeFileSync(
    folder + name,
    compiled
      .replace(asks, '')
      .replaceAll('if (locale ===', 'if (getLocale() ===')
      .replace(/\(\(inputs( = \{\})?, options = \{\}\) =>/, '((inputs) =>'),
  );
}

// A timer of the SDK would keep the process for another half minute.
process.exit(0);
