// The laboratory's own instruments: its NATs are what they are called.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Machine, type Mapping, Net, type Openness, within } from './lab/net.js';
import { logOf, Processes, until } from './lab/processes.js';

const reflector = join(dirname(fileURLToPath(import.meta.url)), 'lab', 'reflector.mjs');
const missing = await Net.missing();
if (missing) console.log(`skipped: ${missing}`);
const inNet = test.skipIf(missing !== '');

let net: Net;
let processes: Processes;

beforeAll(async () => {
  if (missing) return;
  net = await Net.open({ 'relay.example': '203.0.113.10' });
  const server = await net.server('relay', '203.0.113.10');
  await net.run(server, 'ip', 'addr', 'add', '203.0.113.11/24', 'dev', 'eth0');
  processes = new Processes(process.env.TMPDIR ?? '/tmp', process.env);
  const [enter, ...before] = within(server);
  const serving = processes.start('reflector', enter, [
    ...before, process.execPath, reflector, 'serve', '203.0.113.10', '203.0.113.11',
  ]); // biome-ignore format: a command line
  await until('the reflector serves', () => logOf(serving).includes('serving'));
});

afterAll(async () => {
  await processes?.stopAll();
  await net?.close();
});

let made = 0;
async function machineBehind(mapping: Mapping, open: Openness = 'all'): Promise<Machine> {
  const n = ++made;
  const nat = await net.nat(`nat${n}`, {
    outside: `203.0.113.${20 + n}`,
    inside: `192.168.${n}`,
    mapping,
    open,
  });
  return net.behind(nat, `machine${n}`, 2);
}

async function ask(
  machine: Machine,
  ...targets: string[]
): Promise<{ port: number; results: (string | null)[] }> {
  return JSON.parse(await net.run(machine, process.execPath, reflector, 'ask', ...targets));
}

const three = ['udp:203.0.113.10:3478', 'udp:203.0.113.10:3479', 'udp:203.0.113.11:3478'];

inNet('a cone keeps one public port for everyone it speaks to', async () => {
  const machine = await machineBehind('cone');
  const { port, results } = await ask(machine, ...three);
  const seen = `${machine.nat?.outside}:${port}`;
  expect(results).toEqual([seen, seen, seen]);
});

inNet('a symmetric NAT takes another port for every destination', async () => {
  const machine = await machineBehind('symmetric');
  const { results } = await ask(machine, ...three);
  expect(new Set(results).size).toBe(3);
  for (const seen of results) expect(seen).toMatch(new RegExp(`^${machine.nat?.outside}:\\d+$`));
});

inNet('neither lets in what was not asked for', async () => {
  for (const mapping of ['cone', 'symmetric'] as const) {
    const machine = await machineBehind(mapping);
    const { results } = await ask(machine, 'udp:203.0.113.10:3478', 'other:203.0.113.11:3478');
    expect(results, mapping).toEqual([expect.any(String), null]);
    const inside = await net.run(machine, 'ip', 'route', 'get', '203.0.113.10');
    expect(inside).toContain(`via ${machine.nat?.inside}.1`);
  }
});

inNet('firewalls let out what they say', async () => {
  const targets = ['udp:203.0.113.10:3478', 'tcp:203.0.113.10:80', 'tcp:203.0.113.10:443'];
  const passed = async (open: Openness) =>
    (await ask(await machineBehind('cone', open), ...targets)).results.map((got) => got !== null);
  expect(await passed('all')).toEqual([true, true, true]);
  expect(await passed('no UDP')).toEqual([false, true, true]);
  expect(await passed('only 443')).toEqual([false, false, true]);
});

inNet('a machine keeps its sockets when it changes its network', async () => {
  let machine = await machineBehind('cone');
  const elsewhere = await machineBehind('cone');
  machine = await net.renumber(machine, 7);
  expect((await ask(machine, 'tcp:203.0.113.10:443')).results).toEqual(['connected']);
  machine = await net.move(machine, elsewhere.nat!, 9);
  const { results } = await ask(machine, 'udp:203.0.113.10:3478');
  expect(results[0]).toMatch(new RegExp(`^${elsewhere.nat?.outside}:`));
});

inNet('names are known', async () => {
  const machine = await machineBehind('cone');
  expect(await net.run(machine, 'getent', 'hosts', 'relay.example')).toContain('203.0.113.10');
});

inNet('packets are counted by where they come from', async () => {
  const machine = await machineBehind('cone');
  await net.watch(machine.nat!, '203.0.113.10', '203.0.113.11');
  await ask(machine, 'udp:203.0.113.10:3478');
  expect(await net.packetsFrom(machine.nat!, '203.0.113.10')).toBe(1);
  expect(await net.packetsFrom(machine.nat!, '203.0.113.11')).toBe(0);
});
