// What a NAT does, asked from inside it. Runs in network namespaces, so it is a
// program of its own:
//
//   node reflector.mjs serve ADDRESS…   answers each datagram to ports 3478 and 3479 of the addresses with where it
//                                       came from, and accepts connections to ports 80 and 443
//   node reflector.mjs ask TARGET…      sends to all targets from one socket, and prints the answers as JSON
//
// A target is udp:ADDRESS:PORT, tcp:ADDRESS:PORT, or other:ADDRESS:PORT for a
// datagram that is to be answered from another port than it was sent to. Null
// stands for no answer.
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';

const patience = 3_000; // milliseconds until silence counts as an answer

const [command, ...args] = process.argv.slice(2);
if (command === 'serve') serve(args);
else console.log(JSON.stringify(await ask(args)));

function serve(addresses) {
  let starting = 0;
  const started = () => {
    if (--starting === 0) console.log('serving');
  };
  for (const address of addresses) {
    const sockets = [3478, 3479].map((port) => {
      starting++;
      const socket = createSocket('udp4');
      socket.on('message', (message, from) => {
        const answerer = message.toString().startsWith('other') ? sockets[1] : socket;
        answerer.send(`${message} ${from.address}:${from.port}`, from.port, from.address);
      });
      socket.bind(port, address, started);
      return socket;
    });
    for (const port of [80, 443]) {
      starting++;
      createServer((client) => client.on('error', () => client.destroy()).end()).listen(
        port,
        address,
        started,
      );
    }
  }
}

async function ask(targets) {
  const socket = createSocket('udp4');
  const waiting = new Map();
  socket.on('message', (message) => {
    const [target, seen] = message.toString().split(' ');
    waiting.get(target)?.(seen);
  });
  await new Promise((bound) => socket.bind(0, bound));
  const results = await Promise.all(
    targets.map(async (target) => {
      const [kind, address, port] = target.split(':');
      if (kind === 'tcp') return dial(address, Number(port));
      socket.send(target, Number(port), address);
      return new Promise((resolve) => {
        waiting.set(target, resolve);
        silence(() => resolve(null));
      });
    }),
  );
  const { port } = socket.address();
  socket.close();
  return { port, results };
}

/** Calls back once nothing came for long; what came meanwhile is heard first, however busy the machine. */
function silence(callback) {
  setTimeout(() => setImmediate(callback), patience).unref();
}

function dial(address, port) {
  return new Promise((resolve) => {
    const socket = connect(port, address);
    const end = (result) => {
      socket.destroy();
      resolve(result);
    };
    socket.on('connect', () => end('connected'));
    socket.on('error', () => end(null));
    silence(() => end(null));
  });
}
