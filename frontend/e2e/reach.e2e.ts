// Who can open links: the host's choice closes and opens ways at once, and an address from outside, behind a real proxy
// that ends TLS, leads to a call.
import { mkdirSync, readFileSync } from 'node:fs';
import { request as http, type IncomingMessage } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Authority, trustingHome } from './lab/authority.js';
import { seriousOn } from './lab/axe.js';
import { chromiumPage, openChromium, soundReceived } from './lab/browsers.js';
import { askToJoin, controls } from './lab/guest.js';
import { createLink, hostPage, letIn, newLink } from './lab/host.js';
import { type App, Lab } from './lab/lab.js';
import { until } from './lab/processes.js';

let lab: Lab;
let app: App;
let chromium: Browser;
let outside: Browser; // trusts the proxy's authority
let host: Page;
let proxy: Server;
let origin: string;

/** A proxy that ends TLS and adds the guest's address to the header, as nginx does. */
function proxyTo(port: () => number, files: { certificate: string; key: string }): Server {
  const passed = (request: IncomingMessage) => ({
    ...request.headers,
    'x-forwarded-for': [request.headers['x-forwarded-for'], request.socket.remoteAddress]
      .filter(Boolean)
      .join(', '),
  });
  const server = createServer(
    { cert: readFileSync(files.certificate), key: readFileSync(files.key) },
    (request, response) => {
      const { url: path, method } = request;
      const on = http({ port: port(), host: '127.0.0.1', path, method, headers: passed(request) });
      on.on('response', (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
        answer.pipe(response);
      });
      on.on('error', () => response.destroy());
      request.pipe(on);
    },
  );
  server.on('upgrade', (request, socket, head) => {
    const to = connect(port(), '127.0.0.1', () => {
      const lines = Object.entries(passed(request)).map(([name, value]) => `${name}: ${value}`);
      to.write(`GET ${request.url} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
      to.write(head);
      socket.pipe(to).pipe(socket);
    });
    const over = () => {
      to.destroy();
      socket.destroy();
    };
    to.on('error', over);
    socket.on('error', over);
  });
  return server;
}

beforeAll(async () => {
  lab = await Lab.open();
  const dir = join(lab.dir, 'outside');
  mkdirSync(dir);
  const authority = await Authority.create(dir);
  proxy = proxyTo(() => app.relayPort, await authority.issue('localhost'));
  await new Promise<void>((open) => proxy.listen(0, '127.0.0.1', open));
  origin = `https://localhost:${(proxy.address() as AddressInfo).port}`;
  app = await lab.startApp({ dev: true, env: { SSL_CERT_FILE: authority.root } });
  chromium = await openChromium();
  outside = await openChromium({
    env: { ...lab.env, HOME: await trustingHome(dir, authority.root) },
  });
  host = await hostPage(chromium);
  await host.goto(app.url);
});

afterAll(async () => {
  await chromium?.close();
  await outside?.close();
  proxy?.close();
  await lab?.close();
});

async function openReach(): Promise<Locator> {
  await host.getByRole('button', { name: 'Change who can open links' }).click();
  return host.getByRole('dialog', { name: 'Who can open links' });
}

const close = (sheet: Locator) => sheet.getByRole('button', { name: 'Done' }).click();
const line = (words: string) => host.getByRole('status').getByText(words, { exact: true });

test('the host chooses who can open links', async () => {
  const sheet = await openReach();
  const who = sheet.getByRole('radiogroup', { name: 'Who can open links' });
  expect(await who.getByRole('radio', { name: 'Anywhere', exact: true }).isChecked()).toBe(true);
  await who.getByRole('radio', { name: 'This computer', exact: true }).check();
  await sheet.getByRole('textbox', { name: 'Address from outside' }).waitFor({ state: 'detached' });
  await close(sheet);
  await line('Links open on this computer only').waitFor();
  const share = await newLink(host);
  expect(await share.getByText(/https:/).count()).toBe(0);
  await share.getByRole('button', { name: 'Done' }).click();
  await openReach();
  await who.getByRole('radio', { name: 'Anywhere', exact: true }).check();
  await sheet.getByRole('textbox', { name: 'Address from outside' }).waitFor();
  expect(await seriousOn(host, 'everything')).toEqual([]);
  await close(sheet);
});

test('an address from outside is tested, used, and leads to a call', async () => {
  const sheet = await openReach();
  const field = sheet.getByRole('textbox', { name: 'Address from outside' });
  await field.fill('https://localhost:9');
  await sheet.getByRole('button', { name: 'Test', exact: true }).click();
  await sheet.getByText('Nothing answers at this address from here').waitFor();
  await field.fill(origin);
  await sheet.getByRole('button', { name: 'Test', exact: true }).click();
  await sheet.getByText('This Porch answers there').waitFor();
  await sheet.getByText('you come from 127.0.0.1').waitFor();
  await sheet.getByRole('button', { name: 'Use this address' }).click();
  await sheet.getByText(`Links open anywhere, through ${new URL(origin).host}.`).waitFor();
  await close(sheet);
  await line(`Links open anywhere, through ${new URL(origin).host}`).waitFor();

  const address = await createLink(lab, host);
  expect(address.startsWith(`${origin}/j/`)).toBe(true);
  const ada = await chromiumPage(outside);
  await askToJoin(ada, address, 'Ada');
  await letIn(host, 'Ada');
  await controls(ada).waitFor();
  await until('sound of the host arrives', async () => (await soundReceived(ada)) > 0);
});

test('the network alone: the address from outside is closed at once', async () => {
  await host.getByRole('button', { name: 'Leave', exact: true }).click();
  await host.getByRole('menuitem', { name: 'Leave call' }).click();
  const sheet = await openReach();
  await sheet.getByRole('radio', { name: 'This network', exact: true }).check();
  await close(sheet);
  const page = await chromiumPage(outside);
  const answer = await page.goto(`${origin}/`);
  expect(answer?.status()).toBe(403);
  await page.close();
});
