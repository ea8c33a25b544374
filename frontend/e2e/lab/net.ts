// An internet on one machine: network namespaces in the place of homes and
// servers, a bridge in the place of the public network, and NATs between. The
// machine's own network is not touched: every interface lives in a namespace.
//
//   pub          a bridge with the public network, whose addresses the caller chooses
//   a server     one namespace, attached to the bridge
//   a NAT        one namespace: a leg on the bridge, a bridge for its inside
//   a machine    one namespace, attached to the inside of a NAT
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * How a NAT behaves, in the words of RFC 4787. Both let in only what was asked
 * for, from the very address and port that was asked. A "cone" keeps one public
 * port for one port inside, whoever is spoken to; a "symmetric" one takes
 * another port, at random, for every destination.
 */
export type Mapping = 'cone' | 'symmetric';

/** What a NAT's firewall lets out: everything, no UDP, or TCP to port 443 alone. */
export type Openness = 'all' | 'no UDP' | 'only 443';

/** A machine of the net: a namespace that processes are started in. */
export interface Machine {
  /** Name of its namespace, as ip-netns(8) knows it. */
  readonly namespace: string;
  readonly address: string;
  /** Its NAT; undefined for a server in the public network. */
  readonly nat: Nat | undefined;
}

export interface Nat {
  readonly namespace: string;
  /** Its public address. */
  readonly outside: string;
  /** The first three bytes of its inside, "192.168.10". */
  readonly inside: string;
}

const namespaces = '/run/netns';
const perNamespace = '/etc/netns'; // what is in here shows in /etc, ip-netns(8)
const ours = /^plab(\d+)-/;

export class Net {
  /** Names and addresses for /etc/hosts of every machine. */
  private readonly names = new Map<string, string>();
  private readonly made: string[] = [];
  private cables = 0;
  private readonly dir = mkdtempSync(join(tmpdir(), 'porch-net-'));
  private readonly prefix = `plab${process.pid}-`;

  /** Why this machine can make no such net, or "". */
  static async missing(): Promise<string> {
    if (process.getuid?.() !== 0) return 'network namespaces need root';
    const trial = `plab${process.pid}-try`;
    try {
      await sh(`ip netns add ${trial}
        ip -n ${trial} link add one type veth peer name two
        ip -n ${trial} link add three type bridge
        ip netns exec ${trial} iptables -t nat -A POSTROUTING -j MASQUERADE --random-fully
        ip netns exec ${trial} sysctl -qw net.ipv4.ip_forward=1`);
      return '';
    } catch (error) {
      const said = (error as { stderr?: string }).stderr?.trim() || String(error);
      return `network namespaces, bridges or NAT are not permitted here (${said})`;
    } finally {
      await sh(`ip netns del ${trial} 2>/dev/null || true`).catch(() => undefined);
    }
  }

  /** Makes the public network; names are host names that every machine is to know. */
  static async open(names: Record<string, string> = {}): Promise<Net> {
    await removeLeftOvers();
    const net = new Net();
    for (const [name, address] of Object.entries(names)) net.names.set(name, address);
    try {
      const pub = await net.namespace('pub');
      await sh(`ip -n ${pub} link add public type bridge
        ip -n ${pub} link set public up`);
    } catch (error) {
      await net.close();
      throw error;
    }
    return net;
  }

  /** A machine in the public network. */
  async server(name: string, address: string): Promise<Machine> {
    const namespace = await this.namespace(name);
    await this.plug(namespace, 'eth0', this.pub, 'public');
    await sh(`ip -n ${namespace} addr add ${address}/24 dev eth0
      ip -n ${namespace} link set eth0 up`);
    return { namespace, address, nat: undefined };
  }

  /** A NAT with one public address; see {@link Mapping}, {@link Openness}. */
  async nat(
    name: string,
    options: { outside: string; inside: string; mapping?: Mapping; open?: Openness },
  ): Promise<Nat> {
    const { outside, inside, mapping = 'cone', open = 'all' } = options;
    const namespace = await this.namespace(name);
    await this.plug(namespace, 'outside', this.pub, 'public');
    const random = mapping === 'symmetric' ? '--random-fully' : '';
    await sh(`ip -n ${namespace} addr add ${outside}/24 dev outside
      ip -n ${namespace} link set outside up
      ip -n ${namespace} link add inside type bridge
      ip -n ${namespace} addr add ${inside}.1/24 dev inside
      ip -n ${namespace} link set inside up
      ip netns exec ${namespace} sysctl -qw net.ipv4.ip_forward=1
      ip netns exec ${namespace} iptables -t nat -A POSTROUTING -s ${inside}.0/24 -o outside -j MASQUERADE ${random}
      ip netns exec ${namespace} iptables -P FORWARD DROP
      ip netns exec ${namespace} iptables -A FORWARD -i inside -o inside -j ACCEPT
      ip netns exec ${namespace} iptables -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT`);
    // What nobody asked for is dropped and leaves no trace. If it were refused, a
    // peer's early packet would take the port that the answer is to come from.
    await sh(`ip netns exec ${namespace} iptables -P INPUT DROP
      ip netns exec ${namespace} iptables -A INPUT -i inside -j ACCEPT
      ip netns exec ${namespace} iptables -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT`);
    const out = `ip netns exec ${namespace} iptables -A FORWARD -i inside -o outside`;
    await sh(
      {
        all: `${out} -j ACCEPT`,
        'no UDP': `${out} ! -p udp -j ACCEPT`,
        'only 443': `${out} -p tcp --dport 443 -j ACCEPT`,
      }[open],
    );
    return { namespace, outside, inside };
  }

  /**
   * A NAT whose outside is the inside of another one, as a second router at home, or a home of a provider that shares its
   * addresses.
   */
  async natBehind(
    outer: Nat,
    name: string,
    options: { last: number; inside: string; mapping?: Mapping },
  ): Promise<Nat> {
    const outside = `${outer.inside}.${options.last}`;
    const nat = await this.nat(name, { ...options, outside });
    await sh(`ip -n ${nat.namespace} link del outside`);
    await this.plug(nat.namespace, 'outside', outer.namespace, 'inside');
    await sh(`ip -n ${nat.namespace} addr add ${outside}/24 dev outside
      ip -n ${nat.namespace} link set outside up
      ip -n ${nat.namespace} route add default via ${outer.inside}.1`);
    return nat;
  }

  /**
   * Gives homes IPv6, and the machines in them; the homes' networks are 2a02:db8:1::/64, 2a02:db8:2::/64 and so on. A carrier
   * passes a home's on as it is.
   */
  async addIPv6(...homes: { nat: Nat; machines: Machine[]; carrier?: Nat }[]): Promise<void> {
    const outside = (i: number) => `2a02:db8::${i + 1}`;
    const lines: string[] = [];
    const address = (at: Nat | Machine, text: string, dev: string) =>
      lines.push(`ip -n ${at.namespace} addr replace ${text}/64 dev ${dev} nodad`);
    const route = (at: Nat | Machine, to: string, via: string) =>
      lines.push(`ip -n ${at.namespace} -6 route replace ${to} via ${via}`);
    for (const [i, { nat, machines, carrier }] of homes.entries()) {
      const edge = carrier ?? nat;
      for (const { namespace } of new Set([edge, nat]))
        lines.push(`ip netns exec ${namespace} sysctl -qw net.ipv6.conf.all.forwarding=1`);
      address(edge, outside(i), 'outside');
      for (const o of homes.keys()) if (o !== i) route(edge, `2a02:db8:${o + 1}::/64`, outside(o));
      if (carrier) {
        address(carrier, '2a02:db8:f::1', 'inside');
        address(nat, '2a02:db8:f::2', 'outside');
        route(carrier, `2a02:db8:${i + 1}::/64`, '2a02:db8:f::2');
        route(nat, 'default', '2a02:db8:f::1');
      }
      const inside = `2a02:db8:${i + 1}:`;
      address(nat, `${inside}:1`, 'inside');
      for (const machine of machines) {
        address(machine, `${inside}:${machine.address.split('.').at(-1)}`, 'eth0');
        route(machine, 'default', `${inside}:1`);
      }
    }
    await sh(lines.join('\n'));
  }

  /** Gives a NAT another public address, as providers do at night. */
  async renumberNat(nat: Nat, outside: string): Promise<Nat> {
    await sh(`ip -n ${nat.namespace} addr del ${nat.outside}/24 dev outside
      ip -n ${nat.namespace} addr add ${outside}/24 dev outside`);
    await this.forgetNeighbours();
    return { ...nat, outside };
  }

  /**
   * Makes all machines ask again who has an address of the public network. In the internet whoever had an address is out
   * of reach at once; here a packet would find its way by the hardware address that somebody remembers.
   */
  async forgetNeighbours(): Promise<void> {
    await sh(this.made.map((namespace) => `ip -n ${namespace} neigh flush all`).join('\n'));
  }

  /** A machine behind a NAT, at its inside's address .last. */
  async behind(nat: Nat, name: string, last: number): Promise<Machine> {
    const namespace = await this.namespace(name);
    return this.connect(namespace, nat, last);
  }

  /**
   * Takes a machine's cable out of its network and puts it into another NAT's:
   * the same interface with another address, as a laptop that changes its Wi-Fi.
   */
  async move(machine: Machine, nat: Nat, last: number): Promise<Machine> {
    await sh(`ip -n ${machine.namespace} link del eth0`);
    return this.connect(machine.namespace, nat, last);
  }

  /** Gives a machine another address in its network, as a new DHCP lease does. */
  async renumber(machine: Machine, last: number): Promise<Machine> {
    const { nat, namespace } = machine;
    if (!nat) throw new Error('only machines behind a NAT are given other addresses');
    const address = `${nat.inside}.${last}`;
    await sh(`ip -n ${namespace} addr del ${machine.address}/24 dev eth0
      ip -n ${namespace} addr add ${address}/24 dev eth0
      ip -n ${namespace} route replace default via ${nat.inside}.1`);
    return { namespace, address, nat };
  }

  /** Counts, from now on, the packets that come to a machine or a NAT from addresses; see {@link packetsFrom}. */
  async watch({ namespace }: Machine | Nat, ...addresses: string[]): Promise<void> {
    const raw = `ip netns exec ${namespace} iptables -t raw`;
    const rules = addresses.flatMap((address) => [
      `${raw} -A watched -s ${address} -p udp`,
      `${raw} -A watched -s ${address}`,
    ]);
    await sh([`${raw} -N watched`, `${raw} -A PREROUTING -j watched`, ...rules].join('\n'));
  }

  /** Of all protocols, or of UDP alone. */
  async packetsFrom(
    at: Machine | Nat,
    address: string,
    what: 'all' | 'UDP' = 'all',
  ): Promise<number> {
    const counters = await this.run(at, 'iptables', '-t', 'raw', '-nvxL', 'watched');
    const rules = counters.split('\n').map((l) => l.trim().split(/\s+/));
    // Some versions name protocols, and others number them.
    const names = what === 'UDP' ? ['udp', '17'] : ['all', '0'];
    const rule = rules.find(
      ([, , protocol = '', ...rest]) => names.includes(protocol) && rest.includes(address),
    );
    if (!rule) throw new Error(`${address} is not watched`);
    return Number(rule[0]);
  }

  /** A program that starts another one on a machine, for those who take only a program's name. */
  program(machine: Machine, command: string): string {
    const file = join(this.dir, `${machine.namespace}-${basename(command)}`);
    const script = `#!/bin/sh\nexec ${within(machine).join(' ')} ${command} "$@"\n`;
    writeFileSync(file, script, { mode: 0o755 });
    return file;
  }

  /** Runs a short command on a machine and returns what it printed. */
  async run(machine: Machine | Nat, command: string, ...args: string[]): Promise<string> {
    const [enter, ...before] = within(machine);
    const { stdout } = await run(enter, [...before, command, ...args], { maxBuffer: 16 << 20 });
    return stdout;
  }

  /** Ends what still runs in the net, and removes it. */
  async close(): Promise<void> {
    await Promise.all(this.made.splice(0).map(remove));
    rmSync(this.dir, { recursive: true, force: true });
  }

  private get pub(): string {
    return `${this.prefix}pub`;
  }

  private async namespace(name: string): Promise<string> {
    const namespace = this.prefix + name;
    this.made.push(namespace);
    const etc = join(perNamespace, namespace);
    mkdirSync(etc, { recursive: true });
    // For WebRTC Chromium asks for the name with its last dot; a name server would know that it is the same.
    const hosts = [...this.names]
      .map(([host, address]) => `${address} ${host} ${host}.\n`)
      .join('');
    writeFileSync(join(etc, 'hosts'), `127.0.0.1 localhost\n::1 localhost\n${hosts}`);
    writeFileSync(join(etc, 'resolv.conf'), '# no name server: names are in hosts\n');
    await sh(`ip netns add ${namespace}
      ip -n ${namespace} link set lo up`);
    return namespace;
  }

  private async connect(namespace: string, nat: Nat, last: number): Promise<Machine> {
    const address = `${nat.inside}.${last}`;
    await this.plug(namespace, 'eth0', nat.namespace, 'inside');
    await sh(`ip -n ${namespace} addr add ${address}/24 dev eth0
      ip -n ${namespace} link set eth0 up
      ip -n ${namespace} route add default via ${nat.inside}.1`);
    return { namespace, address, nat };
  }

  /** Lays a cable from an interface of one namespace to a bridge in another. */
  private async plug(from: string, name: string, to: string, bridge: string): Promise<void> {
    const end = `port${this.cables++}`;
    await sh(`ip -n ${from} link add ${name} type veth peer name ${end} netns ${to}
      ip -n ${to} link set ${end} master ${bridge} up`);
  }
}

/** The command that starts what follows it on a machine. */
export function within(machine: Machine | Nat): [string, ...string[]] {
  return ['ip', 'netns', 'exec', machine.namespace];
}

async function sh(script: string): Promise<void> {
  await run('sh', ['-ec', script]);
}

async function remove(namespace: string): Promise<void> {
  await sh(`ip netns pids ${namespace} 2>/dev/null | xargs -r kill -9 2>/dev/null || true
    ip netns del ${namespace} 2>/dev/null || true`);
  rmSync(join(perNamespace, namespace), { recursive: true, force: true });
}

/** Removes the nets of runs that were killed. */
async function removeLeftOvers(): Promise<void> {
  const left = new Set<string>();
  for (const dir of [namespaces, perNamespace]) {
    let entries: string[] = [];
    try {
      entries = readdirSync(dir);
    } catch {
      // There has never been a namespace here.
    }
    for (const entry of entries) {
      const pid = Number(ours.exec(entry)?.[1]);
      if (pid && !alive(pid)) left.add(entry);
    }
  }
  await Promise.all([...left].map(remove));
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
