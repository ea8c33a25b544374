// What a guest does on the page that a link opens, and what both sides do in a call.
import type { Page } from 'playwright-core';

/** Opens a link, types a name and presses Join. */
export async function askToJoin(page: Page, address: string, name: string): Promise<void> {
  await page.goto(address);
  await page.getByRole('textbox', { name: 'Your name' }).fill(name);
  await page.getByRole('button', { name: 'Join', exact: true }).click();
}

/** Waits until the page says that the guest waits. */
export const waits = (page: Page) =>
  page.getByRole('status').filter({ hasText: 'Waiting to be let in' }).waitFor();

/** Asks to join, and waits until the page says that the guest waits. */
export async function knock(page: Page, address: string, name: string): Promise<void> {
  await askToJoin(page, address, name);
  await waits(page);
}

/** The toolbar of a call: while it is there, the page is in the call. */
export const controls = (page: Page) => page.getByRole('toolbar', { name: 'Call controls' });

/** Opens the chat of a call, and says something in it. */
export async function chat(page: Page, text: string): Promise<void> {
  await controls(page).getByRole('button', { name: 'Chat' }).click();
  await page.getByRole('textbox', { name: 'Message' }).fill(text);
  await page.keyboard.press('Enter');
}
