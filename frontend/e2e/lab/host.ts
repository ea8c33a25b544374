// What a host does in the window, in a page that shows it.
import type { Browser, Locator, Page } from 'playwright-core';
import { chromiumPage, openChromium } from './browsers.js';
import { type App, Lab, type LabOptions } from './lab.js';
import { until } from './processes.js';

/** A page of the size that the app's window has. */
export const hostPage = (chromium: Browser) =>
  chromiumPage(chromium, { viewport: { width: 1100, height: 760 } });

/** A lab with the app in it, and a Chromium that shows its window. */
export interface AppWindow {
  readonly lab: Lab;
  readonly app: App;
  readonly chromium: Browser;
  readonly host: Page;
  close(): Promise<void>;
}

/** Opens what most stories begin with. The window is on the home screen. */
export async function openAppWindow(options: LabOptions = {}): Promise<AppWindow> {
  const lab = await Lab.open(options);
  let chromium: Browser | undefined;
  const close = async () => {
    await chromium?.close();
    await lab.close();
  };
  try {
    const app = await lab.startApp({ dev: true });
    chromium = await openChromium();
    const host = await hostPage(chromium);
    await host.goto(app.url);
    return { lab, app, chromium, host, close };
  } catch (error) {
    await close();
    throw error;
  }
}

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

/** Lets in a guest who has knocked. */
export const letIn = (host: Page, name: string) =>
  host
    .getByRole('button', { name: `Let in ${name}` })
    .first()
    .click();

/** Opens the details of the newest link. */
export async function openDetails(host: Page): Promise<Locator> {
  const list = host.getByRole('list', { name: 'Links' });
  await list.getByRole('button', { name: 'Info' }).first().click();
  return host.getByRole('dialog', { name: 'Link details' });
}

/** Removes the newest link. */
export async function removeLink(host: Page): Promise<void> {
  const details = await openDetails(host);
  await details.getByRole('button', { name: 'Remove Link' }).click();
  await host.getByRole('alertdialog').getByRole('button', { name: 'Remove', exact: true }).click();
}
