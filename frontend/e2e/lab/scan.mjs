// What a stranger sends to a port whose link they do not have, over UDP and TCP; prints what came back, as JSON.
// node scan.mjs ADDRESS PORT
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

const [address, port] = process.argv.slice(2);

/** A STUN message (RFC 8489) of a type, with a user name unless that is "". */
function stun(type, user) {
  const head = Buffer.alloc(20);
  head.writeUInt16BE(type, 0);
  head.writeUInt32BE(0x2112a442, 4);
  randomBytes(12).copy(head, 8);
  const attributes = [];
  if (user) {
    const value = Buffer.alloc(Math.ceil(user.length / 4) * 4);
    value.write(user);
    attributes.push(Buffer.from([0, 6, 0, user.length]), value);
    attributes.push(Buffer.from([0, 8, 0, 20]), randomBytes(20));
  }
  const body = Buffer.concat(attributes);
  head.writeUInt16BE(body.length, 2);
  return Buffer.concat([head, body]);
}

const payloads = [
  Buffer.alloc(0),
  Buffer.from('hello?\r\n'),
  Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
  randomBytes(64),
  randomBytes(1200),
  Buffer.alloc(1400),
  stun(0x0001, ''),
  stun(0x0001, 'AAAAAAAABBBBBBBBCCCCCCCC:them'),
  stun(0x0001, 'a:b'),
  stun(0x0011, ''), // an indication
  stun(0x0101, ''), // a response
  stun(0x0003, ''), // TURN allocate
  Buffer.concat([
    Buffer.from('16fefd0000000000000000', 'hex'),
    Buffer.from('0064', 'hex'),
    randomBytes(100),
  ]), // DTLS ClientHello
  Buffer.concat([Buffer.from([0x80, 0x60]), randomBytes(170)]), // RTP
  Buffer.concat([Buffer.from([0xc3, 0, 0, 0, 1, 8]), randomBytes(1190)]), // QUIC
  Buffer.from('123401000001000000000000076578616d706c6503636f6d0000010001', 'hex'), // DNS
  Buffer.from('160301020001000001fc0303', 'hex'), // TLS ClientHello
  Buffer.from('SSH-2.0-scan\r\n'),
];

let heard = 0;
let closed = 0;
const udp = createSocket('udp4');
udp.on('message', (message) => {
  heard += message.length || 1;
});
let datagrams = 0;
for (let round = 0; round < 3; round++)
  for (const payload of payloads) {
    udp.send(payload, Number(port), address);
    datagrams++;
    await pause(5);
  }

const framed = (b) => Buffer.concat([Buffer.from([b.length >> 8, b.length & 255]), b]);
const said = [
  ...payloads.slice(0, 5),
  payloads[16],
  payloads[17],
  ...payloads.slice(6, 13).map(framed),
];
let connections = 0;
for (const bytes of said) {
  connections++;
  const over = new Promise((done) => {
    const socket = connect(Number(port), address, () => socket.write(bytes));
    socket.on('data', (b) => {
      heard += b.length;
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      closed++;
      done();
    });
    setTimeout(() => socket.destroy(new Error('it stays open')), 8_000).unref();
  });
  // A few at a time, as many as one address may have.
  if (connections % 3 === 0) await over;
}
await pause(4_000);
udp.close();
console.log(JSON.stringify({ udp: datagrams, tcp: connections, heard, closed }));
process.exit();
