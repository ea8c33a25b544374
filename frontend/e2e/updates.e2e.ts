// The list of versions, in the app: nobody is asked before the host agrees, what is wrong with a list is said in words, and a
// newer version is offered and opens its page. A proxy sees all that the app asks outside, and leads to a server of the test.
import { generateKeyPairSync, sign } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer as createProxy, type Server } from 'node:http';
import { createServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Authority } from './lab/authority.js';
import { chromiumPage, openChromium } from './lab/browsers.js';
import { createLink } from './lab/host.js';
import { type App, Lab } from './lab/lab.js';
import { until } from './lab/processes.js';

const domain = 'versions.porch.test';
const place = `https://${domain}/versions`;
const page = `https://${domain}/download`;
const day = 24 * 60 * 60 * 1_000;
const keys = generateKeyPairSync('ed25519');

interface List {
  serial: number;
  expires: Date;
  number: string;
}

/** A list as it is published (backend/updates/list.go). */
function published({ serial, expires, number }: List): string {
  const body = JSON.stringify({
    serial,
    expires,
    versions: [{ number, changes: 'A bell for every porch.', page }],
  });
  const signature = sign(null, Buffer.from(`porch versions 1\n${body}`), keys.privateKey);
  return `porch-versions-1 ${signature.toString('base64')}\n${body}\n`;
}

const list = { serial: 7, expires: new Date(Date.now() + day), number: '9.1.0' };

let lab: Lab;
let app: App;
let chromium: Browser;
let host: Page;
/** What the server answers: undefined for a list that is missing. */
let text: string | undefined = published(list);
/** Requests at the server, and what the proxy was asked for. */
const asked: string[] = [];
const outside: string[] = [];
const servers: Server[] = [];
let env: NodeJS.ProcessEnv;

async function listening(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

beforeAll(async () => {
  lab = await Lab.open();
  lab.handleScheme('https');
  const authority = await Authority.create(lab.dir);
  const files = await authority.issue(domain);
  const server = createServer(
    { cert: readFileSync(files.certificate), key: readFileSync(files.key) },
    (request, answer) => {
      asked.push(`${request.method} ${request.url} ${request.headers['user-agent']}`);
      answer.writeHead(text === undefined ? 404 : 200).end(text);
    },
  );
  const port = await listening(server);
  const proxy = createProxy((request, answer) => {
    outside.push(`${request.method} ${request.url}`);
    answer.writeHead(502).end();
  });
  proxy.on('connect', (request, socket) => {
    outside.push(`CONNECT ${request.url}`);
    const onward = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      socket.pipe(onward).pipe(socket);
    });
    for (const end of [socket, onward]) end.on('error', () => socket.destroy());
  });
  const at = `http://127.0.0.1:${await listening(proxy)}`;
  env = {
    HTTPS_PROXY: at,
    HTTP_PROXY: at,
    SSL_CERT_FILE: authority.root,
    PORCH_DEV_VERSIONS: place,
    // The last 32 bytes of a public key's form are the key.
    PORCH_DEV_VERSIONS_KEY: keys.publicKey
      .export({ type: 'spki', format: 'der' })
      .subarray(-32)
      .toString('base64'),
  };
  app = await lab.startApp({ dev: true, env });
  chromium = await openChromium();
  host = await chromiumPage(chromium);
  await host.goto(app.url);
});

afterAll(async () => {
  await chromium?.close();
  await lab?.close();
  for (const server of servers) server.close();
});

const offer = () => host.getByRole('heading', { name: 'Porch 9.1.0 is there' });

async function looks() {
  await host.getByRole('button', { name: 'Settings' }).click();
  return host
    .getByRole('dialog', { name: 'Settings' })
    .getByRole('switch', { name: 'Look for updates' });
}

test('nobody is asked before the host agrees', async () => {
  await createLink(lab, host);
  const agreed = await looks();
  expect(await agreed.getAttribute('aria-checked')).toBe('false');
  expect(outside).toEqual([]);
  expect(asked).toEqual([]);
  await agreed.click();
  await offer().waitFor({ state: 'attached' });
  expect(outside).toEqual([`CONNECT ${domain}:443`]);
  expect(asked).toEqual(['GET /versions porch']);
});

test('a newer version is shown with its changes, and its page opens', async () => {
  await host
    .getByRole('dialog', { name: 'Settings' })
    .getByRole('button', { name: 'Done' })
    .click();
  await offer().waitFor();
  await host.getByText('A bell for every porch.').waitFor();
  await host.getByRole('button', { name: 'Go to the download' }).click();
  expect(await until('the page opens', () => lab.handled('https'))).toBe(page);
  await host.getByRole('button', { name: 'Later' }).click();
  await offer().waitFor({ state: 'detached' });
});

test.for([
  [
    'tampered with',
    published(list).replace('A bell', 'A bomb'),
    'changed on its way and is not believed',
  ],
  [
    'expired',
    published({ ...list, expires: new Date(Date.now() - day) }),
    'is an old one and is not believed',
  ],
  ['older than the last', published({ ...list, serial: 6 }), 'is an old one and is not believed'],
  ['missing', undefined, 'can’t be reached'],
] as const)('a list that is %s is refused in words', async ([, wrong, words]) => {
  text = wrong;
  const before = asked.length;
  await app.started.stop();
  // As if a day had passed.
  const file = join(app.data, 'updates.json');
  const kept = JSON.parse(readFileSync(file, 'utf8')) as { asked: string };
  writeFileSync(file, JSON.stringify({ ...kept, asked: new Date(Date.now() - 2 * day) }));
  app = await lab.startApp({ dev: true, data: app.data, relayPort: app.relayPort, env });
  await host.goto(app.url);
  await offer().waitFor(); // what was believed before stays
  expect(await (await looks()).getAttribute('aria-checked')).toBe('true');
  await host.getByText(words).waitFor();
  expect(asked.length).toBe(before + 1);
});

test('whoever takes back the consent is offered nothing, and nobody is asked', async () => {
  const before = asked.length;
  const agreed = host.getByRole('switch', { name: 'Look for updates' });
  await agreed.click();
  await offer().waitFor({ state: 'detached' });
  await until('it is off', async () => (await agreed.getAttribute('aria-checked')) === 'false');
  expect(asked.length).toBe(before);
  expect(new Set(outside)).toEqual(new Set([`CONNECT ${domain}:443`]));
});
