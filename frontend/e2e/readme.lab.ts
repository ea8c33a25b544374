// What the README says about calls through a relay, done literally (those without one: anywhere.lab.ts). The commands of
// step 1 run on the relay's machine, in their order, and the one that runs a relay
// goes on; those of step 2 run at home; what steps 3 and 4 name in bold is pressed
// or filled in the app's window. The certificate comes from Pebble in the place of
// Let's Encrypt.
import { afterAll, afterEach, expect, test } from 'vitest';
import { Net } from './lab/net.js';
import { receivedBy } from './lab/path.js';
import { until } from './lab/processes.js';
import { blocksOf, heading, inlineOf, press, steps } from './lab/readme.js';
import { domain, Scene } from './lab/scene.js';

const said = steps('Through a relay');
const missing = said.length > 0 ? await Net.missing() : `README.md has no section "${heading}"`;
if (missing) console.log(`skipped: ${missing}`);

let scene: Scene | undefined;
afterEach(({ task }) => {
  if (scene && task.result?.state === 'fail') console.log(scene.logs());
});
afterAll(() => scene?.close());

test.skipIf(missing !== '')('what the README says ends in a call', async () => {
  const [onRelay = '', atHome = '', inPorch = '', create = ''] = said;
  expect(blocksOf(onRelay)).toContainEqual(
    expect.stringMatching(/^porch-relay .*-domain call\.example\.org/),
  );
  expect(inPorch).toContain(domain);
  expect(create).toContain('**Create Link**');

  scene = await Scene.open({ readme: blocksOf(onRelay) });
  for (const command of inlineOf(atHome)) console.log(await scene.atHome(command));
  const { window } = scene;
  await press(window, inPorch);
  await window.getByText('Links open anywhere, through call.example.org').first().waitFor();
  await window.keyboard.press('Escape');
  await press(window, create);
  await scene.host.clearClipboard();
  const sheet = window.getByRole('dialog', { name: 'Share link' });
  await sheet.getByRole('button', { name: 'Copy', exact: true }).click();
  scene.address = await until('the address is copied', async () =>
    (await scene!.host.clipboard()).trim(),
  );
  expect(scene.address).toMatch(/^https:\/\/call\.example\.org\/j\//);
  await sheet.getByRole('button', { name: 'Done' }).click();

  const { firstFrame } = await scene.letIn('Ada');
  const before = await receivedBy(scene.guest);
  await until('media keeps coming', async () => {
    return (await receivedBy(scene!.guest)).packets > before.packets + 100;
  });
  console.log(`README: a call; ${firstFrame.toFixed(0)} ms from Let in to the first frame`);
});
