// Kill -9 of the app with three links, one of them live.
import type { Browser, Page, Route } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chromiumPage, openChromium } from './lab/browsers.js';
import { askToJoin, controls, waits } from './lab/guest.js';
import { createLink, hostPage, letIn } from './lab/host.js';
import { type App, Lab } from './lab/lab.js';
import { until } from './lab/processes.js';

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

  // The app ends before the page of the wait has come.
  const late = await chromiumPage(chromium);
  await late.goto(addresses[2] as string);
  await late.getByText('Third').first().waitFor();
  const held: Route[] = [];
  await late.route(/\.js$/, (route) => void held.push(route));
  await late.getByRole('textbox', { name: 'Your name' }).fill('Cleo');
  await late.getByRole('button', { name: 'Join', exact: true }).click();
  await host.getByRole('button', { name: 'Let in Cleo' }).first().waitFor();
  await until('the rest of the page is asked for', () => held.length > 0);
  await app.started.stop('SIGKILL');
  await Promise.all(held.map((route) => route.abort()));
  await late
    .getByText(/can[’']t be reached/)
    .first()
    .waitFor();
}, 180_000);
