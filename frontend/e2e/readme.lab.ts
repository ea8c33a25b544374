// What the README says about calls from anywhere, done literally. The commands of
// step 1 run on the relay's machine, in their order, and the one that runs a relay
// goes on; those of step 2 run at home; what steps 3 and 4 name in bold is pressed
// or filled in the app's window. The certificate comes from Pebble in the place of
// Let's Encrypt.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { afterAll, afterEach, expect, test } from 'vitest';
import { root } from './lab/lab.js';
import { Net } from './lab/net.js';
import { receivedBy } from './lab/path.js';
import { until } from './lab/processes.js';
import { domain, Scene } from './lab/scene.js';

const heading = 'Call from anywhere';

/** The section's numbered steps. */
function steps(): string[] {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const section = new RegExp(`\\n## ${heading}\\n([\\s\\S]*?)(?=\\n## )`).exec(readme)?.[1] ?? '';
  return section.split(/^\d+\. /m).slice(1);
}

const said = steps();
const missing = said.length > 0 ? await Net.missing() : `README.md has no section "${heading}"`;
if (missing) console.log(`skipped: ${missing}`);

let scene: Scene | undefined;
afterEach(({ task }) => {
  if (scene && task.result?.state === 'fail') console.log(scene.logs());
});
afterAll(() => scene?.close());

/** The lines of a step's blocks of shell commands. */
function blocksOf(step: string): string[] {
  const blocks = [...step.matchAll(/^ *```sh\n([\s\S]*?)^ *```$/gm)].map((block) => block[1] ?? '');
  return blocks
    .flatMap((block) => block.replace(/\\\n\s*/g, ' ').split('\n'))
    .map((line) => line.replace(/\s+#.*$/, '').trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}

/** The commands in a step's sentences. */
function inlineOf(step: string): string[] {
  return [...step.matchAll(/`(porch-\S+ [^`]+)`/g)].map((command) => command[1] ?? '');
}

/** Presses what a step names in bold, and fills in what stands behind it as code. */
async function press(window: Page, step: string): Promise<void> {
  for (const [, name = '', value] of step.matchAll(/\*\*(.+?)\*\*(?: `(.+?)`)?/g)) {
    if (value !== undefined) await top(window).getByRole('textbox', { name }).fill(value);
    else await buttonOf(window, name).click();
  }
}

/** The dialog that is open, or else the whole page. */
function top(window: Page): Locator {
  return window.locator('dialog[open], [role="dialog"], body').last();
}

const buttonOf = (window: Page, name: string) =>
  top(window).getByRole('button', { name: new RegExp(`^${name}\\b`) });

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
