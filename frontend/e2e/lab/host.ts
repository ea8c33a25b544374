// What a host does in the window, in a page that shows it.
import type { Locator, Page } from 'playwright-core';
import type { Lab } from './lab.js';
import { until } from './processes.js';

/** Creates a link, with a name if one is given; returns its share sheet, which is open. */
export async function newLink(host: Page, name = ''): Promise<Locator> {
  await host.getByRole('button', { name: 'Create Link' }).click();
  const sheet = host.getByRole('dialog', { name: 'Share link' });
  if (name) {
    await sheet.getByRole('button', { name: 'Add Name' }).click();
    await sheet.getByRole('textbox', { name: 'Link name' }).fill(name);
    await sheet.getByRole('button', { name: 'OK' }).click();
  }
  return sheet;
}

/** Presses Copy in a share sheet; returns what is on the clipboard then. */
export async function copyAddress(lab: Lab, sheet: Locator): Promise<string> {
  await lab.clearClipboard();
  await sheet.getByRole('button', { name: 'Copy', exact: true }).click();
  return until('the address is copied', async () => (await lab.clipboard()).trim());
}

/** Creates a link, with a name if one is given; returns its address, as it was copied. */
export async function createLink(lab: Lab, host: Page, name = ''): Promise<string> {
  const sheet = await newLink(host, name);
  const address = await copyAddress(lab, sheet);
  await sheet.getByRole('button', { name: 'Done' }).click();
  return address;
}
