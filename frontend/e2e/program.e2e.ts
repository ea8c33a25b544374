// The app as a program of this computer: its language, the login, the report of a crash, and the end of all data.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chromiumPage, openChromium } from './lab/browsers.js';
import { askToJoin } from './lab/guest.js';
import { createLink } from './lab/host.js';
import { type App, Lab } from './lab/lab.js';
import { until } from './lab/processes.js';

let lab: Lab;
let app: App;
let chromium: Browser;
let host: Page;

beforeAll(async () => {
  lab = await Lab.open({ notifications: true });
  app = await lab.startApp({ dev: true });
  chromium = await openChromium();
  host = await chromiumPage(chromium);
  await host.goto(app.url);
});

afterAll(async () => {
  await chromium?.close();
  await lab?.close();
});

const settings = async (button = 'Settings', dialog = button) => {
  await host.getByRole('button', { name: button }).click();
  return host.getByRole('dialog', { name: dialog });
};

test('the card of the first start goes for good', async () => {
  await host.getByRole('heading', { name: 'Before your first call' }).waitFor();
  await host.getByRole('button', { name: 'Got it' }).click();
  await host
    .getByRole('heading', { name: 'Before your first call' })
    .waitFor({ state: 'detached' });
  await host.reload();
  await host.getByRole('button', { name: 'Create Link' }).waitFor();
  expect(await host.getByRole('heading', { name: 'Before your first call' }).count()).toBe(0);
});

test('another language is spoken at once: in the window, in notifications, after a reload', async () => {
  const address = await createLink(lab, host);
  const sheet = await settings();
  await sheet.getByRole('combobox', { name: 'Language' }).selectOption('Deutsch');
  const deutsch = host.getByRole('dialog', { name: 'Einstellungen' });
  await deutsch.getByRole('combobox', { name: 'Sprache' }).waitFor();
  expect(await host.evaluate('document.documentElement.lang')).toBe('de');
  await deutsch.getByRole('button', { name: 'Fertig' }).click();

  const guest = await chromiumPage(chromium, { locale: 'ar' });
  await guest.goto(address);
  await guest.getByRole('combobox', { name: 'اللغة' }).waitFor();
  expect(await guest.evaluate('document.documentElement.dir')).toBe('rtl');
  await guest.getByRole('combobox', { name: 'اللغة' }).selectOption('English');
  await askToJoin(guest, address, 'Ada');
  await host.getByRole('button', { name: 'Ada hereinlassen' }).first().waitFor();
  const note = await until('a notification is shown', () => lab.notifications().at(-1));
  expect(note.actions).toContain('Hereinlassen');
  expect(note.body).toBe('Porch-Anruf');
  await guest.context().close();

  await host.reload();
  await (await settings('Einstellungen'))
    .getByRole('combobox', { name: 'Sprache' })
    .selectOption('English');
  await host
    .getByRole('dialog', { name: 'Settings' })
    .getByRole('button', { name: 'Done' })
    .click();
});

test('a guest loads the words of one language', async () => {
  const address = await createLink(lab, host);
  const guest = await chromiumPage(chromium, { locale: 'ja' });
  const loaded: string[] = [];
  guest.on('request', (request) => loaded.push(new URL(request.url()).pathname));
  await guest.goto(address);
  await guest.getByRole('button', { name: '参加' }).waitFor();
  await guest.getByRole('textbox', { name: 'お名前' }).fill('Ada');
  await guest.getByRole('button', { name: '参加' }).click();
  await until('it waits', () => guest.getByText('入室の許可を待っています').first().isVisible());
  const words = loaded.filter((path) => /\/(door|rest)\./.test(path));
  expect(
    words.map((path) => path.replace(/.*\/(\w+\.[\w-]+?)-[\w-]{8}\.js$/, '$1')).sort(),
  ).toEqual(['door.ja', 'rest.ja']);
  await guest.context().close();
});

test('open at login writes the file of the system, and takes it away', async () => {
  const file = join(lab.env.XDG_CONFIG_HOME as string, 'autostart', 'call.porch.app.desktop');
  const sheet = await settings();
  const login = sheet.getByRole('switch', { name: 'Open at login' });
  expect(await login.getAttribute('aria-checked')).toBe('false');
  expect(existsSync(file)).toBe(false);
  await login.click();
  await until('the file is there', () => existsSync(file));
  expect(readFileSync(file, 'utf8')).toMatch(/^Exec="\/.*porch-dev" --background$/m);
  await until('it is on', async () => (await login.getAttribute('aria-checked')) === 'true');
  await login.click();
  await until('the file is gone', () => !existsSync(file));
  await sheet.getByRole('button', { name: 'Done' }).click();
});

test('after a crash the next start says so, and offers a report without secrets', async () => {
  const address = await createLink(lab, host, 'Ada and Boris');
  process.kill(app.started.child.pid as number, 'SIGABRT');
  await until(
    'it has died',
    () => app.started.child.exitCode !== null || app.started.child.signalCode !== null,
  );
  app = await lab.startApp({ dev: true, data: app.data, relayPort: app.relayPort });
  await host.goto(app.url);
  await host.getByText('Porch ended by itself last time').waitFor();
  await host.getByRole('button', { name: 'Save report' }).waitFor();
  const trace = readFileSync(join(app.data, 'crash-trace.log'), 'utf8');
  const log = readFileSync(join(app.data, 'porch.log'), 'utf8');
  expect(trace).toContain('SIGABRT');
  expect(trace).toContain('goroutine [');
  for (const secret of [...address.split(/[/#]/).slice(-2), 'Boris', app.data, lab.dir])
    expect(trace + log).not.toContain(secret);
  await host.getByRole('button', { name: 'Forget it' }).click();
  await host.getByText('Porch ended by itself last time').waitFor({ state: 'detached' });
  expect(existsSync(join(app.data, 'crash-trace.log'))).toBe(false);
});

test('what may be set, and which this is', async () => {
  const program = app.started.child.spawnfile;
  expect(await lab.run(program, '--help')).toContain('PORCH_DATA_DIR');
  await (await settings()).getByRole('button', { name: 'About' }).click();
  const about = host.getByRole('dialog', { name: 'About' });
  const line = await lab.run(program, '--version');
  await about.getByText(`Porch ${line.split(' ')[1]}`, { exact: true }).waitFor();
  await about.getByText('github.com/pion/webrtc').waitFor();
  await about.getByRole('button', { name: 'Done' }).click();
  // Without a place there is nothing to look at.
  expect(await (await settings()).getByRole('switch', { name: 'Look for updates' }).count()).toBe(
    0,
  );
});

test('erase everything leaves nothing, and starts anew', async () => {
  const before = readFileSync(join(app.data, 'relay', 'certificate.pem'), 'utf8');
  await host
    .getByRole('dialog', { name: 'Settings' })
    .getByRole('button', { name: 'Your data' })
    .click();
  const data = host.getByRole('dialog', { name: 'Your data' });
  await data.getByText(app.data).waitFor();
  await data.getByRole('button', { name: 'Erase everything' }).click();
  await host.getByRole('alertdialog').getByRole('button', { name: 'Cancel' }).click();
  await data.getByRole('button', { name: 'Erase everything' }).click();
  await host.getByRole('alertdialog').getByRole('button', { name: 'Erase everything' }).click();
  await until('it has ended', () => app.started.child.exitCode !== null);
  await until(
    'the new one answers',
    async () => (await fetch(app.url).catch(() => undefined))?.ok,
    {
      within: 30_000,
    },
  );
  await host.goto(app.url);
  await host.getByRole('heading', { name: 'Before your first call' }).waitFor();
  expect(await host.getByRole('list', { name: 'Links' }).count()).toBe(0);
  expect(readdirSync(app.data)).not.toContain('crash-trace.log');
  expect(readFileSync(join(app.data, 'relay', 'certificate.pem'), 'utf8')).not.toBe(before);
  await host.evaluate('window.go.main.App.Quit()');
  await until('nothing answers', async () => !(await fetch(app.url).catch(() => undefined)));
});
