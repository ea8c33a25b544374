// Pebble, Let's Encrypt's test server, in the public network.
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Authority } from './authority.js';
import { root } from './lab.js';
import { type Machine, type Net, within } from './net.js';
import { Hopeless, logOf, type Processes, until } from './processes.js';

const run = promisify(execFile);

export const acmeName = 'acme.example.org';

export interface Acme {
  directory: string;
  /** PEM file of the authority that vouches for the server itself. */
  vouching: string;
  /** PEM file of the authority that signs what it issues. */
  signing: string;
}

/** Starts Pebble on a machine; its own certificate is from an authority that is there already. */
export async function startAcme(
  net: Net,
  machine: Machine,
  processes: Processes,
  authority: Authority,
  dir: string,
): Promise<Acme> {
  const tool = await run('go', ['tool', '-modfile=scripts/relay/go.mod', '-n', 'pebble'], {
    cwd: root,
  });
  const own = await authority.issue(acmeName);
  const config = join(dir, 'pebble.json');
  writeFileSync(
    config,
    JSON.stringify({
      pebble: {
        listenAddress: '0.0.0.0:443',
        managementListenAddress: '127.0.0.1:15000',
        certificate: own.certificate,
        privateKey: own.key,
        httpPort: 80,
        tlsPort: 443,
        profiles: { default: { description: 'laboratory', validityPeriod: 86_400 } },
      },
    }),
  );
  const [enter, ...before] = within(machine);
  const environment = { PEBBLE_VA_NOSLEEP: '1', PEBBLE_WFE_NONCEREJECT: '0' };
  const arguments_ = [...before, tool.stdout.trim(), '-config', config];
  const pebble = processes.start('pebble', enter, arguments_, environment);
  const signing = join(dir, 'pebble-root.pem');
  await until('the ACME server answers', async () => {
    if (pebble.child.exitCode !== null) throw new Hopeless(`Pebble ended: ${logOf(pebble)}`);
    const issuer = await net.run(
      machine, 'curl', '--silent', '--fail', '--insecure', 'https://127.0.0.1:15000/roots/0',
    ); // biome-ignore format: a command line
    writeFileSync(signing, issuer);
    return true;
  });
  return { directory: `https://${acmeName}/dir`, vouching: authority.root, signing };
}
