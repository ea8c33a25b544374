// What a public relay holds after calls with names, chat and descriptions in
// them: its memory, its folder and its log are searched for all of it.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chat } from './lab/guest.js';
import { foundInFolder, foundInMemory, type Words } from './lab/memory.js';
import { Net } from './lab/net.js';
import { isRelayed } from './lab/path.js';
import { until } from './lab/processes.js';
import { hostName, relayAddress, Scene } from './lab/scene.js';

const missing = await Net.missing();
if (missing) console.log(`skipped: ${missing}`);

const text = (word: string) => Buffer.from(word);
let scene: Scene;
let words: Words;
let known: Words; // what the relay may hold: proof that the search finds things

beforeAll(async () => {
  if (missing) return;
  // Through the relay goes everything here, media too: it can't have more.
  scene = await Scene.open({ relayOnly: true, linkName: 'Quixotic Rendezvous' });
  const [link, secret] = scene.address.split('#') as [string, string];
  const id = link.split('/').at(-1) as string;
  known = { 'id of the link': text(id) };
  words = {
    'name of the guest': text('Zebedee Quux'),
    'name of the other guest': text('Xanthippe Pfeffer'),
    'name of the host': text(hostName),
    'name of the link': text('Quixotic Rendezvous'),
    'line of chat': text('the purple walrus sings'),
    'secret of the link, as written': text(secret),
    'secret of the link, as bytes': Buffer.from(secret, 'base64url'),
    'a candidate': text('a=candidate:'),
    'a fingerprint': text('a=fingerprint:'),
    'an ICE password': text('a=ice-pwd:'),
    'a message to guests': text('"participants":'),
  };
});

afterAll(() => scene?.close());

describe.skipIf(missing !== '')('what the relay holds', () => {
  test('before anybody came: the link’s id, and nothing that is searched for later', () => {
    expect(foundInMemory(scene.relayPid, known)).toEqual(Object.keys(known));
    expect(foundInMemory(scene.relayPid, words)).toEqual([]);
  });

  test('while a call runs through it: no name, chat, secret or description', async () => {
    const { path } = await scene.letIn('Zebedee Quux');
    expect(isRelayed(path, relayAddress)).toBe(true);
    const { guest } = scene;
    await chat(guest, 'the purple walrus sings');
    await until(
      'the chat line came back',
      async () => (await guest.getByText('the purple walrus sings').count()) > 0,
    );
    const other = await scene.anotherGuest();
    await scene.letIn('Xanthippe Pfeffer', other);
    await guest.getByRole('group', { name: 'Xanthippe Pfeffer', exact: true }).waitFor();

    const descriptions = await guest.evaluate<string>(
      `window.__peers.map((p) => p.localDescription.sdp + p.remoteDescription.sdp).join('')`,
    );
    const secrets = [...descriptions.matchAll(/^a=(fingerprint:\S+ |ice-pwd:)(\S+)\r?$/gm)];
    expect(secrets.length).toBeGreaterThan(3);
    for (const [line, , value] of secrets) words[line.trim()] = text(value as string);

    expect(foundInMemory(scene.relayPid, known)).toEqual(Object.keys(known));
    expect(foundInMemory(scene.relayPid, words)).toEqual([]);
  });

  test('after the call: not in its memory, its folder or its log', async () => {
    await scene.guest.getByRole('button', { name: 'Leave', exact: true }).click();
    await scene.stopHost();
    expect(foundInMemory(scene.relayPid, words)).toEqual([]);
    expect(foundInFolder(scene.relayData, words)).toEqual([]);
    const log = scene.relayLog();
    expect(log).not.toBe('');
    for (const [name, word] of Object.entries({ ...words, ...known }))
      expect(log.includes(word.toString()), name).toBe(false);
  });
});

// The instrument itself.
test('the search of memory finds what is there, and only that', async () => {
  const [planted, absent] = [randomBytes(12).toString('hex'), randomBytes(12).toString('hex')];
  const script =
    'process.stdin.once("data", (word) => { globalThis.kept = word; console.log("kept"); })';
  const child = spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    child.stdin.write(planted);
    await once(child.stdout, 'data');
    const search = { planted: text(planted), absent: text(absent) };
    expect(foundInMemory(child.pid as number, search)).toEqual(['planted']);
  } finally {
    child.kill();
  }
});
