// A way for TCP connections that can go deaf: nothing passes, and nothing is closed.
import { connect, createServer, type Server, type Socket } from 'node:net';

export class DeafWay {
  /** How many connections have begun. */
  begun = 0;
  private silent = false;
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  /** Opens a way to a port of this computer. */
  static async to(port: number): Promise<DeafWay> {
    const server = createServer({ allowHalfOpen: true });
    const own = await new Promise<number>((resolve) => {
      server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
    });
    const way = new DeafWay(server, own);
    server.on('connection', (near) => way.join(near, port));
    return way;
  }

  /** What is sent while it is deaf waits, as in a network that repeats it in vain, and comes when it is not any more. */
  set deaf(deaf: boolean) {
    this.silent = deaf;
    for (const socket of this.sockets) {
      if (deaf) socket.pause();
      else socket.resume();
    }
  }

  close(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }

  private join(near: Socket, port: number): void {
    this.begun++;
    const far = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.sockets.add(from);
      from.on('data', (bytes) => void to.write(bytes));
      from.on('end', () => void to.end());
      from.on('error', () => to.destroy());
      from.on('close', () => void this.sockets.delete(from));
      if (this.silent) from.pause();
    }
  }
}
