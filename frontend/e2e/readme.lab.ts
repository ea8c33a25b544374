// What the README says about calls from anywhere, done literally. Its shell
// commands run on the relay's machine, in their order; the one that runs a relay
// goes on. The certificate comes from Pebble in the place of Let's Encrypt.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { root } from './lab/lab.js';
import { Net } from './lab/net.js';
import { receivedBy } from './lab/path.js';
import { until } from './lab/processes.js';
import { domain, Scene } from './lab/scene.js';

const heading = 'Call from anywhere';

/** The section's text under its heading. */
function section(): string {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const from = readme.indexOf(`\n## ${heading}\n`);
  if (from < 0) return '';
  const rest = readme.slice(from + 1);
  const to = rest.indexOf('\n## ', 1);
  return to < 0 ? rest : rest.slice(0, to);
}

const said = section();
const missing = said ? await Net.missing() : `README.md has no section "${heading}" yet`;
if (missing) console.log(`skipped: ${missing}`);

let scene: Scene | undefined;
afterAll(() => scene?.close());

test.skipIf(missing !== '')('the commands of the README end in a call', async () => {
  const commands = [...said.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].flatMap((block) =>
    (block[1] ?? '').replace(/\\\n\s*/g, ' ').split('\n'),
  );
  const lines = commands
    .map((line) => line.replace(/\s+#.*$/, '').trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  expect(lines.some((line) => /porch-relay .*-domain call\.example\.org/.test(line))).toBe(true);
  // What a person pastes into the app.
  expect(said).toContain(domain);

  scene = await Scene.open({ readme: lines });
  await scene.letIn('Ada');
  const before = await receivedBy(scene.guest);
  await until('media keeps coming', async () => {
    return (await receivedBy(scene!.guest)).packets > before.packets + 100;
  });
});
