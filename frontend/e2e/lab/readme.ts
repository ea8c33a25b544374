// What the README says about calls from anywhere, so that it can be done literally.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { root } from './lab.js';

export const heading = 'Call from anywhere';

/** The numbered steps of a part of the section, whose heading begins with words. */
export function steps(words: string): string[] {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const section = new RegExp(`\\n## ${heading}\\n([\\s\\S]*?)(?=\\n## )`).exec(readme)?.[1] ?? '';
  const part = section.split(/^### /m).find((p) => p.startsWith(words)) ?? '';
  // What is not indented behind a step is not a part of it.
  return part
    .split(/^\d+\. /m)
    .slice(1)
    .map((step) => step.split(/\n\n(?=\S)/)[0] ?? '');
}

/** The lines of a step's blocks of shell commands. */
export function blocksOf(step: string): string[] {
  const blocks = [...step.matchAll(/^ *```sh\n([\s\S]*?)^ *```$/gm)].map((block) => block[1] ?? '');
  return blocks
    .flatMap((block) => block.replace(/\\\n\s*/g, ' ').split('\n'))
    .map((line) => line.replace(/\s+#.*$/, '').trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}

/** The commands in a step's sentences. */
export function inlineOf(step: string): string[] {
  return [...step.matchAll(/`(porch-\S+ [^`]+)`/g)].map((command) => command[1] ?? '');
}

/** Presses what a step names in bold, and fills in what stands behind it as code. */
export async function press(window: Page, step: string): Promise<void> {
  for (const [, name = '', value] of step.matchAll(/\*\*(.+?)\*\*(?: `(.+?)`)?/g)) {
    if (value !== undefined) await top(window).getByRole('textbox', { name }).fill(value);
    else await buttonOf(window, name).click();
  }
}

/** The dialog that is open, or else the whole page. */
function top(window: Page): Locator {
  return window.locator('dialog[open], [role="dialog"], body').last();
}

const buttonOf = (window: Page, name: string) => {
  const named = { name: new RegExp(`^${name}\\b`) };
  return top(window).getByRole('button', named).or(top(window).getByRole('switch', named)).first();
};
