// Compiles messages/{call,guest,host}/LOCALE.json into src/i18n/generated. messages/KEY.ts is the function of a message,
// which knows its number. host/all.LOCALE.ts has the texts of the host's page in one language, by these numbers. A
// guest's page loads two: door.LOCALE.ts, which is drawn at once, and rest.LOCALE.ts, which goes on after it. What a
// language does not have yet is English.
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pseudo } from './pseudo.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const read = (path) => JSON.parse(readFileSync(here(path), 'utf8'));
const out = here('../src/i18n/generated');

const parts = ['call', 'guest', 'host'];

const locales = readdirSync(here('../messages/call'))
  .map((name) => name.replace('.json', ''))
  .sort();
const languages = read('../messages/languages.json');
if (locales.join() !== Object.keys(languages).sort().join())
  throw new Error('messages/languages.json does not list the languages that there are');

const english = Object.fromEntries(
  parts.map((part) => [part, read(`../messages/${part}/en.json`)]),
);
const keys = parts.flatMap((part) => Object.keys(english[part]));
const partOf = (key) => key.slice(0, key.indexOf('_'));

/** The file that an import of another names; undefined for a package and for what is generated. */
function resolve(from, name) {
  if (!/^(\.|\$src)/.test(name) || name.includes('generated')) return undefined;
  const path = name.startsWith('$src') ? here(`../src${name.slice(4)}`) : join(dirname(from), name);
  return ['', '.ts', '.svelte', '/index.ts']
    .map((end) => path + end)
    .find((file) => existsSync(file) && statSync(file).isFile());
}

/** The messages that a page says with what it loads at once: all files that it imports, but not by import(). */
function saidAtOnce(entry) {
  const seen = new Set();
  const said = new Set();
  const visit = (path) => {
    if (!path || seen.has(path) || !/\.(ts|svelte)$/.test(path)) return;
    seen.add(path);
    const source = readFileSync(path, 'utf8');
    for (const [, key] of source.matchAll(/\bm\.(\w+)\(/g)) said.add(key);
    for (const [, name] of source.matchAll(
      /^(?:import|export) (?!type )(?:[^'";]*? from )?'([^']+)'/gm,
    ))
      visit(resolve(path, name));
  };
  visit(entry);
  return said;
}

// Numbered in the order in which a guest's page loads them.
const early = saidAtOnce(here('../guest/main.ts'));
const door = keys.filter((key) => early.has(key));
const rest = keys.filter((key) => !early.has(key) && partOf(key) !== 'host');
const order = [...door, ...rest, ...keys.filter((key) => partOf(key) === 'host')];
const numbers = new Map(order.map((key, i) => [key, i]));
if (numbers.size !== keys.length || door.length === 0) throw new Error('a message has no number');

/** A text as it is kept: a string, or {one, other} by the plural of the input count. */
function compiled(key, message) {
  if (typeof message === 'string') return message;
  const [{ match }] = message;
  const forms = Object.entries(match).map(([when, text]) => [
    when.replace(/^countPlural=/, ''),
    text,
  ]);
  if (forms.some(([form]) => !/^(zero|one|two|few|many|other)$/.test(form)))
    throw new Error(`${key}: only plurals of count are understood`);
  return Object.fromEntries(forms);
}

const inputsOf = (message) => [
  ...new Set([...JSON.stringify(message).matchAll(/\{(\w+)\}/g)].map(([, name]) => name)),
];

const messageOf = (key) => english[partOf(key)][key];

/** The module of a message's function. */
function moduleOf(key) {
  const names = inputsOf(messageOf(key));
  if (typeof messageOf(key) !== 'string' && !names.includes('count')) names.push('count');
  const signature = names.map((name) => `${name}: string | number`).join('; ');
  const said =
    names.length > 0
      ? `(inputs: { ${signature} }) => say(${numbers.get(key)}, inputs)`
      : `() => say(${numbers.get(key)})`;
  const note = JSON.stringify(messageOf(key)).replaceAll('*/', '* /');
  return `import { say } from '../../say';\n\n/** ${note} */\nexport const ${key} = ${said};\n`;
}

rmSync(out, { recursive: true, force: true });
for (const folder of ['messages', 'guest', 'host'])
  mkdirSync(`${out}/${folder}`, { recursive: true });
for (const key of keys) writeFileSync(`${out}/messages/${key}.ts`, moduleOf(key));
writeFileSync(
  `${out}/messages.ts`,
  keys.map((key) => `export { ${key} } from './messages/${key}';\n`).join(''),
);

/** The module of a table of texts; '' leaves a hole. */
const tableOf = (texts) => `export default [${texts.join(',\n')}];\n`;

function writeTables(locale, textOf) {
  const texts = (keys) => keys.map((key) => JSON.stringify(textOf(key)));
  writeFileSync(
    `${out}/guest/door.${locale}.ts`,
    `${tableOf(texts(door))}export const rest = () => import('./rest.${locale}');\n`,
  );
  writeFileSync(`${out}/guest/rest.${locale}.ts`, tableOf(texts(rest)));
  const host = order.map((key) => (partOf(key) === 'guest' ? '' : texts([key])));
  writeFileSync(`${out}/host/all.${locale}.ts`, tableOf(host));
}

for (const locale of locales) {
  const own = Object.assign({}, ...parts.map((part) => read(`../messages/${part}/${locale}.json`)));
  writeTables(locale, (key) => compiled(key, own[key] ?? messageOf(key)));
}
writeTables('en-XA', (key) => pseudo(compiled(key, messageOf(key))));
writeFileSync(
  `${out}/languages.ts`,
  `/** The languages there are, each by its own name. */\nexport const languages: Record<string, string> = ${JSON.stringify(languages)};\n`,
);
