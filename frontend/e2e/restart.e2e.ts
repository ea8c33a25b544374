// Kill -9 of the app with three links, one of them live.
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chromiumPage, openChromium } from './lab/browsers.js';
import { askToJoin, controls, waits } from './lab/guest.js';
import { createLink, hostPage, letIn } from './lab/host.js';
import { type App, Lab } from './lab/lab.js';

let lab: Lab;
let app: App;
let chromium: Browser;

beforeAll(async () => {
  lab = await Lab.open();
  app = await lab.startApp({ dev: true });
  chromium = await openChromium();
});

afterAll(async () => {
  await chromium?.close();
  await lab?.close();
});

async function openHost(): Promise<Page> {
  const host = await hostPage(chromium);
  await host.goto(app.url);
  await host.getByRole('button', { name: 'Create Link' }).waitFor();
  return host;
}

test('links survive, guests come back by themselves, nobody is let in without the host', async () => {
  let host = await openHost();
  const addresses: string[] = [];
  for (const name of ['First', 'Second', 'Third']) {
    addresses.push(await createLink(lab, host, name));
  }

  const inside = await chromiumPage(chromium);
  await askToJoin(inside, addresses[0] as string, 'Ada');
  await letIn(host, 'Ada');
  await controls(inside).waitFor();
  const waiting = await chromiumPage(chromium);
  await askToJoin(waiting, addresses[1] as string, 'Boris');
  await host.getByRole('button', { name: 'Let in Boris' }).first().waitFor();

  await app.started.stop('SIGKILL');
  await waiting
    .getByText(/can[’']t be reached/)
    .first()
    .waitFor();
  await host.context().close();
  app = await lab.startApp({ dev: true, data: app.data, relayPort: app.relayPort });

  host = await openHost();
  for (const name of ['First', 'Second', 'Third']) {
    await host
      .getByRole('list', { name: 'Links' })
      .getByText(name, { exact: true })
      .first()
      .waitFor();
  }
  // Both come back to the porch by themselves and wait for the host.
  await host.getByRole('button', { name: 'Let in Ada' }).first().waitFor({ timeout: 60_000 });
  await host.getByRole('button', { name: 'Let in Boris' }).first().waitFor({ timeout: 60_000 });
  for (const page of [inside, waiting]) {
    await waits(page);
    expect(await controls(page).count()).toBe(0);
  }
  await letIn(host, 'Ada');
  await controls(inside).waitFor();

  const late = await chromiumPage(chromium);
  await late.goto(addresses[2] as string);
  await late.getByText('Third').first().waitFor();
}, 180_000);
