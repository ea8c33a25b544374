// For tests: a WebSocket with a relay and a host of its own behind it.
import { Aes128Gcm, CipherSuite, DhkemP256HkdfSha256, HkdfSha256 } from '@hpke/core';
import { type Bytes, concat, fromText, toBase64url } from '../transport/bytes';
import type { GuestMessage, HostMessage } from '../transport/generated/signalling';

const suite = new CipherSuite({
  kem: new DhkemP256HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Aes128Gcm(),
});

/** A link whose host the test plays. */
export class FakeLink {
  private constructor(
    readonly keys: CryptoKeyPair,
    readonly publicKey: Bytes,
    readonly id: string,
    readonly secret: string,
  ) {}

  static async make(): Promise<FakeLink> {
    const keys = await suite.kem.generateKeyPair();
    const publicKey = new Uint8Array(await suite.kem.serializePublicKey(keys.publicKey));
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', publicKey));
    const secret = toBase64url(crypto.getRandomValues(new Uint8Array(16)));
    return new FakeLink(keys, publicKey, toBase64url(digest.subarray(0, 16)), secret);
  }
}

/** What a page sees as its WebSocket; the test sees the other end. */
export class FakeSocket {
  readonly OPEN = 1;
  readonly CLOSED = 3;
  binaryType = 'blob';
  readyState: number = 0;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string | ArrayBuffer }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  /** Everything the page sent. */
  readonly sent: (string | Bytes)[] = [];
  closedWith: number | undefined;
  #waiting: (() => void)[] = [];

  constructor(
    readonly url: string,
    readonly protocol: string,
  ) {}

  send(data: string | Bytes): void {
    this.sent.push(typeof data === 'string' ? data : data.slice());
    for (const wake of this.#waiting.splice(0)) wake();
  }

  close(code = 1005): void {
    if (this.readyState === this.CLOSED) return;
    this.readyState = this.CLOSED;
    this.closedWith = code;
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Resolves when the page has sent `count` messages in all. */
  async until(count: number): Promise<void> {
    while (this.sent.length < count && this.readyState !== this.CLOSED)
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Resolves when the page has closed. */
  async untilClosed(): Promise<void> {
    while (this.readyState !== this.CLOSED)
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  accept(): void {
    this.readyState = this.OPEN;
    this.onopen?.();
  }

  deliver(data: string | Bytes): void {
    this.onmessage?.({ data: typeof data === 'string' ? data : data.slice().buffer });
  }

  /** Loses the connection with a close code. */
  lose(code: number, reason = ''): void {
    this.readyState = this.CLOSED;
    this.onclose?.({ code, reason });
  }
}

/** The host's end of the sealed channel, written a second time: for the tests of the guest's. */
export class FakeHost {
  #read = 0;
  #wrote = 0;
  #salt = crypto.getRandomValues(new Uint8Array(32));

  private constructor(
    private readonly recipient: { open(data: Bytes, aad: Bytes): Promise<ArrayBuffer> },
    private readonly exported: Bytes,
    readonly socket: FakeSocket,
  ) {}

  /** Plays relay and host up to the guest's hello. */
  static async greet(link: FakeLink, socket: FakeSocket): Promise<[FakeHost, GuestMessage]> {
    socket.accept();
    socket.deliver(
      JSON.stringify({ type: 'opened', payload: { publicKey: toBase64url(link.publicKey) } }),
    );
    await socket.until(3); // open, opening, hello
    const recipient = await suite.createRecipientContext({
      recipientKey: link.keys.privateKey,
      enc: (socket.sent[1] as Bytes).slice().buffer,
      info: fromText(`porch channel v1 ${link.id}`),
    });
    const exported = new Uint8Array(await recipient.export(fromText('porch session v1'), 32));
    const host = new FakeHost(recipient, exported, socket);
    return [host, await host.read(2)];
  }

  /** The guest's message that was the socket's `index`-th. */
  async read(index: number): Promise<GuestMessage> {
    await this.socket.until(index + 1);
    const frame = this.socket.sent[index] as Bytes;
    const number = frame.slice(0, 8);
    const ciphertext = frame.slice(8);
    const plain =
      this.#read === 0
        ? await this.recipient.open(ciphertext, number)
        : await crypto.subtle.decrypt(
            ...(await this.#cipher('guest', this.#read, number)),
            ciphertext,
          );
    this.#read++;
    return JSON.parse(new TextDecoder().decode(plain));
  }

  /** The next frame with a message, or with any text. */
  async seal(message: HostMessage | string): Promise<Bytes> {
    const n = this.#wrote++;
    const number = new Uint8Array(8);
    new DataView(number.buffer).setBigUint64(0, BigInt(n));
    const text = typeof message === 'string' ? message : JSON.stringify(message);
    const frame = concat(
      number,
      new Uint8Array(
        await crypto.subtle.encrypt(...(await this.#cipher('host', n, number)), fromText(text)),
      ),
    );
    return n === 0 ? concat(this.#salt, frame) : frame;
  }

  async send(message: HostMessage | string): Promise<void> {
    this.socket.deliver(await this.seal(message));
  }

  async #cipher(who: string, n: number, number: Bytes): Promise<[AesGcmParams, CryptoKey]> {
    const secret = await crypto.subtle.importKey('raw', this.exported, 'HKDF', false, [
      'deriveBits',
    ]);
    const bits = async (info: string, size: number): Promise<Bytes> =>
      new Uint8Array(
        await crypto.subtle.deriveBits(
          { name: 'HKDF', hash: 'SHA-256', salt: this.#salt, info: fromText(info) },
          secret,
          size * 8,
        ),
      );
    const iv = await bits(`porch ${who} nonce v1`, 12);
    const view = new DataView(iv.buffer);
    view.setBigUint64(4, view.getBigUint64(4) ^ BigInt(n));
    const key = await crypto.subtle.importKey(
      'raw',
      await bits(`porch ${who} key v1`, 16),
      'AES-GCM',
      false,
      ['encrypt', 'decrypt'],
    );
    return [{ name: 'AES-GCM', iv, additionalData: number }, key];
  }
}
