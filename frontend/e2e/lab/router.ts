// A home's router that can be asked to let packets in: a real miniupnpd, with the rules that it is shipped with.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Nat, Net } from './net.js';
import { type Processes, type Started, until } from './processes.js';

/** By what a router can be asked. "refuses" answers by UPnP, and maps nothing, as a FRITZ!Box without the tick for a device. */
export type Asked = 'UPnP' | 'NAT-PMP' | 'PCP' | 'refuses' | 'not at all';

const chains = `
table inet filter {
  chain miniupnpd { }
  chain prerouting_miniupnpd { }
  chain postrouting_miniupnpd { }
  chain forward {
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    iifname "inside" accept
    jump miniupnpd
  }
  chain input {
    type filter hook input priority 0; policy drop;
    ct state established,related accept
    iifname { "lo", "inside" } accept
    meta l4proto { icmp, ipv6-icmp } accept
  }
  chain prerouting { type nat hook prerouting priority -100; jump prerouting_miniupnpd; }
  chain postrouting {
    type nat hook postrouting priority 100;
    jump postrouting_miniupnpd
    meta nfproto ipv4 oifname "outside" masquerade
  }
}
`;

/** Does not understand PCP (RFC 6887 section 9): what is version 2 gets no answer. */
const withoutPCP = `
table inet old {
  chain input {
    type filter hook input priority -1
    udp dport 5351 @th,64,8 0x2 drop
  }
}
`;

/** Makes a router of a NAT: its rules take the place of the NAT's own. */
export async function routerOf(
  net: Net,
  nat: Nat,
  asked: Asked,
  processes: Processes,
  dir: string,
): Promise<Started | undefined> {
  const rules = join(dir, `${nat.namespace}.nft`);
  writeFileSync(rules, asked === 'NAT-PMP' ? chains + withoutPCP : chains);
  const run = (command: string) => net.run(nat, 'sh', '-ec', command);
  await run(
    `iptables -F; iptables -t nat -F; iptables -P FORWARD ACCEPT; iptables -P INPUT ACCEPT; nft -f ${rules}`,
  );
  if (asked === 'not at all') return undefined;
  const config = join(dir, `${nat.namespace}.conf`);
  const yes = (b: boolean) => (b ? 'yes' : 'no');
  writeFileSync(
    config,
    `ext_ifname=outside
listening_ip=inside
http_port=0
enable_natpmp=${yes(asked === 'NAT-PMP' || asked === 'PCP')}
enable_upnp=${yes(asked === 'UPnP' || asked === 'refuses')}
min_lifetime=5
max_lifetime=86400
secure_mode=yes
system_uptime=yes
uuid=3f6c2b0a-5f0d-4a43-9d4c-5d4e7e1f0a01
force_igd_desc_v1=no
upnp_table_name=filter
upnp_nat_table_name=filter
upnp_forward_chain=miniupnpd
upnp_nat_chain=prerouting_miniupnpd
upnp_nat_postrouting_chain=postrouting_miniupnpd
${asked === 'refuses' ? '' : `allow 1024-65535 ${nat.inside}.0/24 1024-65535`}
deny 0-65535 0.0.0.0/0 0-65535
`,
  );
  const daemon = processes.start('miniupnpd', 'ip', [
    'netns', 'exec', nat.namespace, 'miniupnpd', '-d', '-f', config, '-P', pidFile(nat, dir),
  ]); // biome-ignore format: a command line
  const port = asked === 'UPnP' || asked === 'refuses' ? 1900 : 5351;
  await until('the router can be asked', async () =>
    (await net.run(nat, 'ss', '-Hlun', `sport = :${port}`)).trim(),
  );
  return daemon;
}

/**
 * Gives a router another address from its provider, and tells its daemon as the script does that runs in a router when its
 * line comes up: miniupnpd does not look by itself (its manual, SIGUSR1).
 */
export async function renumberRouter(
  net: Net,
  router: Nat,
  outside: string,
  dir: string,
): Promise<void> {
  await net.renumberNat(router, outside);
  await net.run(router, 'sh', '-ec', `kill -USR1 $(cat ${pidFile(router, dir)})`);
}

const pidFile = (router: Nat, dir: string) => join(dir, `${router.namespace}.pid`);
