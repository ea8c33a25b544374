// A packet capture of one TCP port on the loopback, and what was said in it:
// the bytes of every connection, and the WebSocket messages (RFC 6455) in them,
// unmasked, as whoever runs the relay could read them.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Lab } from './lab.js';
import { logOf, type Started, until } from './processes.js';

export interface WebSocketMessage {
  /** True when the guest sent it. */
  fromClient: boolean;
  /** 1 text, 2 binary (RFC 6455, section 5.2). */
  opcode: number;
  data: Buffer;
}

export class PacketCapture {
  private constructor(
    private readonly tcpdump: Started,
    private readonly file: string,
    private readonly port: number,
  ) {}

  static async start(lab: Lab, port: number): Promise<PacketCapture> {
    const file = join(lab.dir, `capture-${port}.pcap`);
    const tcpdump = lab.processes.start('tcpdump', 'tcpdump', [
      '--immediate-mode', // else what came within the last second may never be handed over
      '-i', 'lo', '-U', '-s', '0', '-B', '16384', '-Z', 'root', '-w', file, `tcp port ${port}`,
    ]); // biome-ignore format: one flag beside its value
    await until('tcpdump listens', () => logOf(tcpdump).includes('listening on'));
    return new PacketCapture(tcpdump, file, port);
  }

  /** Ends the capture and returns the bytes of each direction of each connection. */
  async stop(): Promise<{ fromClient: boolean; bytes: Buffer }[]> {
    await this.tcpdump.stop('SIGINT');
    return streams(readFileSync(this.file), this.port);
  }
}

/** Reassembles the TCP streams of a classic little-endian pcap of Ethernet frames. */
function streams(pcap: Buffer, port: number): { fromClient: boolean; bytes: Buffer }[] {
  if (pcap.readUInt32LE(0) !== 0xa1b2c3d4)
    throw new Error('not a pcap file as tcpdump writes it here');
  const flows = new Map<string, { fromClient: boolean; next: number; parts: Buffer[] }>();
  for (let at = 24; at + 16 <= pcap.length; ) {
    const length = pcap.readUInt32LE(at + 8);
    const frame = pcap.subarray(at + 16, at + 16 + length);
    at += 16 + length;
    const ip = frame.subarray(14);
    let tcp: Buffer;
    if (frame.readUInt16BE(12) === 0x0800) {
      tcp = ip.subarray(((ip[0] ?? 0) & 15) * 4, ip.readUInt16BE(2));
    } else if (frame.readUInt16BE(12) === 0x86dd) {
      tcp = ip.subarray(40, 40 + ip.readUInt16BE(4));
    } else continue;
    const [source, target, sequence] = [
      tcp.readUInt16BE(0),
      tcp.readUInt16BE(2),
      tcp.readUInt32BE(4),
    ];
    const payload = tcp.subarray(((tcp[12] ?? 0) >> 4) * 4);
    const key = `${source}>${target}`;
    const starts = ((tcp[13] ?? 0) & 2) !== 0;
    let flow = flows.get(key);
    if (!flow || starts) {
      flow = {
        fromClient: target === port,
        next: starts ? (sequence + 1) >>> 0 : sequence,
        parts: [],
      };
      flows.set(starts && flows.has(key) ? `${key}#${at}` : key, flow);
    }
    if (payload.length === 0) continue;
    const ahead = (sequence - flow.next) | 0;
    if (ahead > 0) throw new Error(`the capture lost ${ahead} bytes of ${key}`);
    if (ahead + payload.length <= 0) continue; // sent again
    flow.parts.push(payload.subarray(-ahead));
    flow.next = (flow.next + ahead + payload.length) >>> 0;
  }
  return [...flows.values()].map((flow) => ({
    fromClient: flow.fromClient,
    bytes: Buffer.concat(flow.parts),
  }));
}

/** The WebSocket messages in one direction of a connection, after its upgrade. */
export function webSocketMessages(stream: {
  fromClient: boolean;
  bytes: Buffer;
}): WebSocketMessage[] {
  const { bytes, fromClient } = stream;
  const head = bytes.indexOf('\r\n\r\n');
  const opening = bytes.subarray(0, Math.max(head, 0)).toString('latin1');
  if (!/^(GET .*|HTTP\/1\.1 101 .*)\r\n[\s\S]*upgrade: *websocket/i.test(opening)) return [];
  const messages: WebSocketMessage[] = [];
  let parts: Buffer[] = [];
  let kind = 0;
  for (let at = head + 4; at + 2 <= bytes.length; ) {
    const [first, second] = [bytes[at] ?? 0, bytes[at + 1] ?? 0];
    if (first & 0x70) throw new Error('a frame with extension bits: compressed, or not a frame');
    at += 2;
    let length = second & 127;
    if (length === 126) {
      length = bytes.readUInt16BE(at);
      at += 2;
    } else if (length === 127) {
      length = Number(bytes.readBigUInt64BE(at));
      at += 8;
    }
    let data: Buffer;
    if (second & 128) {
      const mask = bytes.subarray(at, at + 4);
      data = Buffer.from(
        bytes.subarray(at + 4, at + 4 + length).map((b, i) => b ^ (mask[i & 3] ?? 0)),
      );
      at += 4 + length;
    } else {
      data = bytes.subarray(at, at + length);
      at += length;
    }
    const opcode = first & 15;
    if (opcode >= 8) continue; // ping, pong, close
    if (opcode !== 0) {
      kind = opcode;
      parts = [];
    }
    parts.push(data);
    if (first & 128) messages.push({ fromClient, opcode: kind, data: Buffer.concat(parts) });
  }
  return messages;
}
