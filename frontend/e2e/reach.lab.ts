// A link that opens anywhere: a host behind one NAT, a guest behind another, a
// relay in the public network, and what can be in their way.
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { peersMade } from './lab/browsers.js';
import { root } from './lab/lab.js';
import { Net } from './lab/net.js';
import { describePath, isRelayed, pathOf, receivedBy, toldTo } from './lab/path.js';
import { until } from './lab/processes.js';
import { RtpWatch } from './lab/rtp.js';
import { type Outcome, relayAddress, Scene, type SceneOptions } from './lab/scene.js';
import { saveScreen } from './lab/screen.js';
import { table, writeTable } from './lab/table.js';

const missing = await Net.missing();
if (missing) console.log(`skipped: ${missing}`);
/** PORCH_LAB=short leaves four: direct, relayed, through port 443 alone, and on the move. */
const short = process.env.PORCH_LAB === 'short';
const results = join(root, 'build', 'lab');

const rows: string[][] = [['case', 'Let in → frame', 'way', 'candidates at the guest', 'remarks']];
let scene: Scene | undefined;

afterEach(async (context) => {
  if (scene && context.task.result?.state === 'fail') {
    const name = context.task.name.replace(/\W+/g, '-');
    await scene.guest?.screenshot({ path: join(results, `${name}-guest.png`) }).catch(() => {});
    await saveScreen(scene.host, join(results, `${name}-host.png`)).catch(() => {});
    console.log(scene.logs());
  }
  if (!missing) writeTable(join(results, 'reach.txt'), rows); // each time: a run may be ended early
  await scene?.close();
  scene = undefined;
});

afterAll(() => {
  if (!missing) console.log(`\n${table(rows)}`);
});

/** Opens a scene, lets Ada in, and notes how it went. */
async function call(name: string, options: SceneOptions, remarks: string[] = []): Promise<Outcome> {
  rows.push([name, 'no call', '', '', '']);
  scene = await Scene.open(options);
  const outcome = await scene.letIn('Ada');
  const before = await receivedBy(scene.guest);
  await until('media keeps coming', async () => {
    const now = await receivedBy(scene!.guest);
    return now.packets > before.packets + 100;
  });
  rows[rows.length - 1] = [
    name,
    `${outcome.firstFrame.toFixed(0)} ms`,
    isRelayed(outcome.path, relayAddress) ? 'relayed' : 'direct',
    describePath(outcome.path),
    remarks.join('; '),
  ];
  return outcome;
}

function remark(text: string): void {
  const row = rows[rows.length - 1]!;
  row[4] = row[4] ? `${row[4]}; ${text}` : text;
}

describe.skipIf(missing !== '')('what is between host and guest', () => {
  const cases: { name: string; options: SceneOptions; relayed: boolean; always?: boolean }[] = [
    { name: 'cone, cone', options: {}, relayed: false, always: true },
    {
      name: 'symmetric, symmetric',
      options: { host: { mapping: 'symmetric' }, guest: { mapping: 'symmetric' } },
      relayed: true,
      always: true,
    },
    { name: 'host symmetric', options: { host: { mapping: 'symmetric' } }, relayed: true },
    { name: 'guest symmetric', options: { guest: { mapping: 'symmetric' } }, relayed: true },
    { name: 'guest without UDP', options: { guest: { open: 'no UDP' } }, relayed: true },
    { name: 'host without UDP', options: { host: { open: 'no UDP' } }, relayed: true },
    {
      name: 'guest: only port 443',
      options: { guest: { open: 'only 443' } },
      relayed: true,
      always: true,
    },
    { name: 'host: only port 443', options: { host: { open: 'only 443' } }, relayed: true },
    {
      name: 'both: only port 443',
      options: { host: { open: 'only 443' }, guest: { open: 'only 443' } },
      relayed: true,
    },
  ];
  for (const { name, options, relayed, always } of cases)
    test.skipIf(short && !always)(name, async () => {
      const { path } = await call(name, options);
      expect(isRelayed(path, relayAddress)).toBe(relayed);
    });
});

describe.skipIf(missing !== '')('while a call runs', () => {
  test.skipIf(short)('the relay is killed and comes back', async () => {
    const { path } = await call('relay restarts', {});
    const { guest } = scene!;
    expect(isRelayed(path, relayAddress)).toBe(false);
    const before = await receivedBy(guest);
    const watch = await RtpWatch.start(scene!.guestMachine, scene!.dir);
    await pause(2_000); // time of the call before, during and after, over which packets are counted
    const killed = Date.now();
    await scene!.stopRelay('SIGKILL');
    await pause(2_000);
    await scene!.startRelay();
    const back = Date.now();
    // The link answers again: somebody else can ask to join.
    const boris = await scene!.anotherGuest();
    await until('the link is there again', async () => {
      await boris.goto(scene!.address);
      return boris.getByRole('textbox', { name: 'Your name' }).isVisible();
    });
    await scene!.letIn('Boris', boris);
    const answered = Date.now();
    await pause(2_000);
    const arrivals = await watch.stop();
    const after = await receivedBy(guest);
    remark(
      `${arrivals.packets} packets, ${arrivals.missing} missing, longest gap ${arrivals.longestGap.toFixed(0)} ms`,
    );
    remark(
      `relay away ${back - killed} ms; next guest in after ${((answered - back) / 1000).toFixed(1)} s`,
    );
    expect(arrivals.packets).toBeGreaterThan(500);
    expect(arrivals.missing).toBe(0);
    expect(after.lost - before.lost).toBe(0);
    expect(arrivals.longestGap).toBeLessThan(500);
    expect(await peersMade(guest)).toBe(1);
    expect(await guest.getByRole('toolbar', { name: 'Call controls' }).isVisible()).toBe(true);
  });

  const changes: [string, (scene: Scene) => Promise<void>][] = [
    ['host gets another address', (s) => s.renumberHost()],
    ['host moves to another network', (s) => s.moveHost()],
  ];
  for (const [name, change] of changes)
    test.skipIf(short && name !== changes[1]![0])(name, async () => {
      await call(name, {});
      const { guest } = scene!;
      const watch = await RtpWatch.start(scene!.guestMachine, scene!.dir);
      await pause(1_000); // so that the watch has seen the call before
      const changed = Date.now();
      await change(scene!);
      const resumed = await until(
        'media comes again',
        async () => {
          const first = await receivedBy(guest);
          await pause(250); // the time over which packets are counted
          const now = await receivedBy(guest);
          return Date.now() > changed + 1_000 && now.packets > first.packets + 5 ? Date.now() : 0;
        },
        { within: 60_000 },
      );
      await pause(1_000);
      const { longestGap } = await watch.stop();
      const path = await until('a way is chosen', () => pathOf(guest));
      remark(
        `longest gap ${longestGap.toFixed(0)} ms, media surely back after ${resumed - changed} ms, then ${describePath(path)}`,
      );
      expect(await guest.getByRole('toolbar', { name: 'Call controls' }).isVisible()).toBe(true);
    });
});

describe.skipIf(missing !== '')('what the guest learns of the host', () => {
  test.skipIf(short)(
    'relay only: no address of the host is told, and no packet comes from one',
    async () => {
      const { path } = await call('relay only', { relayOnly: true });
      const { guest, guestMachine, hostMachine, net } = scene!;
      const door = guestMachine.nat!;
      expect(isRelayed(path, relayAddress)).toBe(true);
      const told = await toldTo(guest);
      // The record is not empty, or its silence would prove nothing.
      expect(told).toContain('a=fingerprint');
      expect(told).toContain(relayAddress);
      const own = await net.run(hostMachine, 'ip', '-o', 'addr', 'show', 'dev', 'eth0');
      const addresses = [...own.matchAll(/inet6? ([0-9a-f.:]+)\//g)].map((m) => m[1] ?? '');
      expect(addresses).toContain(hostMachine.address);
      for (const address of [...addresses, hostMachine.nat!.outside])
        expect(told, address).not.toContain(address);
      expect(await net.packetsFrom(door, hostMachine.nat!.outside)).toBe(0);
      expect(await net.packetsFrom(door, relayAddress)).toBeGreaterThan(50);
    },
  );

  // Chrome's Local Network Access guards local addresses from pages of public
  // origins.
  const asks: [string, string[]][] = [
    ['same network', []],
    ['same network, allowed by the guest', ['local-network-access']],
  ];
  for (const [name, permissions] of asks)
    test.skipIf(short)(name, async () => {
      const { path } = await call(name, { guest: 'with the host', permissions });
      expect(isRelayed(path, relayAddress)).toBe(false);
      const told = await toldTo(scene!.guest);
      expect(told).toContain(scene!.hostMachine.address);
    });
});
