// What the relay, and whoever listens at its port, can learn: the link's id and
// its public key, and nothing else.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chromiumPage, peersMade } from './lab/browsers.js';
import { PacketCapture, webSocketMessages } from './lab/capture.js';
import { chat, controls, waits } from './lab/guest.js';
import { type AppWindow, createLink, letIn, openAppWindow } from './lab/host.js';
import { until } from './lab/processes.js';

let home: AppWindow;

beforeAll(async () => {
  home = await openAppWindow();
});

afterAll(() => home?.close());

test('a capture of the relay’s port holds no name, secret, candidate, description, roster or chat', async () => {
  const { lab, app, chromium, host } = home;
  const capture = await PacketCapture.start(lab, app.relayPort);
  const address = await createLink(lab, host, 'Quixotic Rendezvous');
  const [link, secret] = address.split('#') as [string, string];
  const id = link.split('/').at(-1) as string;

  const guest = await chromiumPage(chromium);
  const frames: (string | Buffer)[] = [];
  guest.on('websocket', (socket) => {
    socket.on('framesent', ({ payload }) => frames.push(payload));
    socket.on('framereceived', ({ payload }) => frames.push(payload));
  });
  await guest.goto(address);
  await guest.getByText('Quixotic Rendezvous').first().waitFor();
  await guest.getByRole('textbox', { name: 'Your name' }).fill('Zebedee Quux');
  await guest.getByRole('button', { name: 'Join', exact: true }).click();
  await waits(guest);
  await host.getByRole('button', { name: 'Let in Zebedee Quux' }).first().waitFor();

  const telling = [
    'Zebedee', 'Quixotic', 'purple walrus', secret, 'candidate', 'ice-ufrag', 'ice-pwd', 'fingerprint', 'm=audio',
    'm=video', 'roster', 'participants', 'knock', 'hello', 'welcome', 'admitted', 'seat',
  ]; // biome-ignore format: a list of words
  const leaks = (data: string | Buffer) => {
    const text = typeof data === 'string' ? data : data.toString('latin1');
    return telling.filter((word) => text.includes(word));
  };

  // Before admission: frames were exchanged, nothing in them is clear, and no peer connection exists.
  expect(frames.length).toBeGreaterThan(4);
  for (const frame of frames) expect(leaks(frame)).toEqual([]);
  expect(await peersMade(guest)).toBe(0);
  expect(await guest.title()).not.toContain(secret);

  await letIn(host, 'Zebedee Quux');
  await controls(guest).waitFor();
  await chat(guest, 'the purple walrus sings');
  await host.getByRole('group', { name: 'Zebedee Quux', exact: true }).waitFor();
  await until(
    'the chat line came back',
    async () => (await guest.getByText('the purple walrus sings').count()) > 0,
  );

  const streams = await capture.stop();
  const messages = streams.flatMap(webSocketMessages);
  const texts = messages.filter((m) => m.opcode === 1).map((m) => m.data.toString());
  const sealed = messages.filter((m) => m.opcode === 2);
  // The capture is not empty, or its silence would prove nothing.
  expect(texts.some((t) => t.includes(id))).toBe(true);
  expect(sealed.filter((m) => m.fromClient).length).toBeGreaterThan(3);
  expect(sealed.filter((m) => !m.fromClient).length).toBeGreaterThan(3);
  for (const message of messages) expect(leaks(message.data)).toEqual([]);
  // The page and its script do hold such words; what guests and host sent each other does not.
  for (const stream of streams.filter((s) => s.fromClient)) {
    for (const word of ['Zebedee', 'Quixotic', 'walrus', secret])
      expect(stream.bytes.includes(word)).toBe(false);
  }
});
