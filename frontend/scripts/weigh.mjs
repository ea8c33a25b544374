// Says how heavy the guest page is (all its JS and CSS, gzip) and fails when it
// is over its budget. "Before joining" counts what index.html names and what
// that imports statically, and the heaviest language of the door; the rest is
// loaded while the guest waits.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

const directory = process.argv[2];
const budget = Number(process.argv[3] ?? 40) * 1024;
const weight = (path) => statSync(`${path}.gz`).size;
const first = new Set();

function need(path) {
  if (first.has(path) || !existsSync(path)) return;
  first.add(path);
  if (!path.endsWith('.js')) return;
  const source = readFileSync(path, 'utf8');
  for (const [, , from] of source.matchAll(
    /(?:^|[;}\s])(?:import|export)(?:\s*[\w*{][^"'`;]*?from)?\s*(["'])([^"']+?\.js)\1/g,
  )) {
    need(normalize(join(dirname(path), from)));
  }
}

const html = readFileSync(join(directory, 'index.html'), 'utf8');
for (const [, reference] of html.matchAll(/(?:src|href)="\.?\/([^"]+\.(?:js|css))"/g)) {
  need(join(directory, reference));
}

// en-XA is the language of the tests, which no browser asks for.
const words = readdirSync(join(directory, 'assets'))
  .filter((name) => /^door\..*\.js$/.test(name) && !name.startsWith('door.en-XA'))
  .map((name) => [name.split('-')[0].slice(5), weight(join(directory, 'assets', name))])
  .sort(([, a], [, b]) => b - a);
const [[heaviest, language]] = words;

let before = language;
for (const path of first) before += weight(path);
let total = 0;
for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
  if (entry.isFile() && /\.(js|css)$/.test(entry.name))
    total += weight(join(entry.parentPath, entry.name));
}

const kilobytes = (bytes) => (bytes / 1024).toFixed(1);
console.log(
  `${directory}, gzip: ${kilobytes(before)} KB before joining (budget ${kilobytes(budget)}) in the heaviest language, ${heaviest} (${kilobytes(language)}), ${kilobytes(total)} KB in all`,
);
if (first.size === 0 || words.length < 10 || before > budget) {
  console.error('weigh: the guest page is over its budget');
  process.exit(1);
}
