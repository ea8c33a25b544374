// The RTP packets that reach a machine over UDP, seen at its interface: their
// headers are in the clear (RFC 3711 section 3.1), so that none can be missing
// unnoticed.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Machine, within } from './net.js';
import { logOf, Processes, type Started, until } from './processes.js';

export interface Arrivals {
  packets: number;
  /** Sequence numbers, between the first and the last of each stream, that never came. */
  missing: number;
  /** The longest time without any packet, in milliseconds. */
  longestGap: number;
  /** When that began, in Unix milliseconds. */
  gapAt: number;
}

export class RtpWatch {
  private constructor(
    private readonly tcpdump: Started,
    private readonly file: string,
  ) {}

  static async start(machine: Machine, dir: string): Promise<RtpWatch> {
    const file = join(dir, `rtp-${machine.namespace}.pcap`);
    const processes = new Processes(dir, process.env, within(machine));
    const tcpdump = processes.start('rtp', 'tcpdump', [
      '--immediate-mode', '-i', 'eth0', '-U', '-s', '96', '-B', '16384', '-Z', 'root', '-w', file,
      `udp and dst host ${machine.address}`,
    ]); // biome-ignore format: one flag beside its value
    await until('tcpdump listens', () => logOf(tcpdump).includes('listening on'));
    return new RtpWatch(tcpdump, file);
  }

  /** Ends the watch and returns what came. */
  async stop(): Promise<Arrivals> {
    await this.tcpdump.stop('SIGINT');
    const dropped = /(\d+) packets? dropped by kernel/.exec(logOf(this.tcpdump))?.[1];
    if (dropped !== '0') throw new Error(`the watch itself missed packets: ${dropped}`);
    return arrivals(readFileSync(this.file));
  }
}

/** Reads a classic little-endian pcap of Ethernet frames. */
export function arrivals(pcap: Buffer): Arrivals {
  if (pcap.readUInt32LE(0) !== 0xa1b2c3d4)
    throw new Error('not a pcap file as tcpdump writes it here');
  const streams = new Map<number, { first: number; last: number; seen: Set<number> }>();
  const found = { packets: 0, missing: 0, longestGap: 0, gapAt: 0 };
  let before = 0;
  for (let at = 24; at + 16 <= pcap.length; ) {
    const when = pcap.readUInt32LE(at) * 1000 + pcap.readUInt32LE(at + 4) / 1000;
    const length = pcap.readUInt32LE(at + 8);
    const frame = pcap.subarray(at + 16, at + 16 + length);
    at += 16 + length;
    if (frame.length < 14 + 20 + 8 + 12 || frame.readUInt16BE(12) !== 0x0800) continue;
    const rtp = frame.subarray(14 + ((frame[14] ?? 0) & 15) * 4 + 8);
    const [first, second] = [rtp[0] ?? 0, rtp[1] ?? 0];
    // RFC 7983 tells RTP from STUN and DTLS, RFC 5761 from RTCP.
    if (rtp.length < 12 || first >> 6 !== 2 || (second >= 192 && second < 224)) continue;
    found.packets++;
    if (before && when - before > found.longestGap) {
      found.longestGap = when - before;
      found.gapAt = before;
    }
    before = when;
    const sequence = rtp.readUInt16BE(2);
    const stream = streams.get(rtp.readUInt32BE(8));
    if (!stream) {
      const seen = new Set([sequence]);
      streams.set(rtp.readUInt32BE(8), { first: sequence, last: sequence, seen });
      continue;
    }
    const step = ((sequence - stream.last) << 16) >> 16;
    const unwrapped = stream.last + step;
    stream.seen.add(unwrapped);
    stream.last = Math.max(stream.last, unwrapped);
  }
  for (const { first, last, seen } of streams.values()) {
    const within = [...seen].filter((s) => s >= first).length;
    found.missing += last - first + 1 - within;
  }
  return found;
}
