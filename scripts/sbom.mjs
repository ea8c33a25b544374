// Joins what cyclonedx-gomod says of each program with what it can't see: the packages in the pages, and the libraries
// in C. node scripts/sbom.mjs VERSION SECONDS PROGRAM=FILE.json... prints one CycloneDX document; the same input gives
// the same bytes.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const [version, seconds, ...programs] = process.argv.slice(2);
const components = new Map();

function add(component, program) {
  const known = components.get(component.purl) ?? { ...component, 'bom-ref': component.purl, properties: [] };
  if (!known.properties.some((p) => p.value === program)) known.properties.push({ name: 'porch:in', value: program });
  components.set(component.purl, known);
}

for (const argument of programs) {
  const [program, file] = argument.split('=');
  const said = JSON.parse(readFileSync(file, 'utf8'));
  for (const { type, name, version, purl, hashes, licenses, evidence } of said.components ?? []) {
    add({ type, name, version, purl, hashes, licenses, evidence }, program);
  }
}

// What vite puts into the pages. The front end has no other code of others at run time; the paths in its source maps say so.
const lock = JSON.parse(readFileSync('frontend/package-lock.json', 'utf8'));
for (const name of [
  '@mediapipe/face_detection',
  '@mediapipe/selfie_segmentation',
  '@tensorflow/tfjs-backend-cpu',
  '@tensorflow/tfjs-backend-wasm',
  '@tensorflow/tfjs-core',
  'clsx',
  'hpke',
  'long',
  'svelte',
]) {
  const { version, license, integrity } = lock.packages[`node_modules/${name}`];
  const hash = Buffer.from(integrity.replace(/^sha512-/, ''), 'base64').toString('hex');
  add(
    {
      type: 'library',
      name,
      version,
      purl: `pkg:npm/${name.replace('@', '%40')}@${version}`,
      hashes: [{ alg: 'SHA-512', content: hash }],
      licenses: [{ license: { id: license } }],
    },
    'pages',
  );
}

// Linked into the Linux program, see scripts/dist-programs.sh.
for (const [name, library, license] of [
  ['libvpx', 'vpx', 'BSD-3-Clause'],
  ['libopus', 'opus', 'BSD-3-Clause'],
]) {
  const version = execFileSync('pkg-config', ['--modversion', library], { encoding: 'utf8' }).trim();
  add({ type: 'library', name, version, purl: `pkg:generic/${name}@${version}`, licenses: [{ license: { id: license } }] }, 'porch');
}

const sorted = [...components.values()].sort((a, b) => (a.purl < b.purl ? -1 : 1));
console.log(
  JSON.stringify(
    {
      $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
      bomFormat: 'CycloneDX',
      specVersion: '1.6',
      version: 1,
      metadata: {
        timestamp: new Date(Number(seconds) * 1000).toISOString(),
        component: {
          type: 'application',
          name: 'porch',
          version,
          licenses: [{ license: { id: 'Apache-2.0' } }],
          purl: `pkg:generic/porch@${version}`,
        },
      },
      components: sorted,
    },
    null,
    1,
  ),
);
