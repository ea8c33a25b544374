// The guest's end of the sealed channel, as backend/sealed has the host's. The wire format is in docs/protocol.md; both
// ends check backend/sealed/testdata/vectors.json.
import { AEAD_AES_128_GCM, CipherSuite, KDF_HKDF_SHA256, KEM_DHKEM_P256_HKDF_SHA256 } from 'hpke';
import { type Bytes, concat, fromText, toBase64url } from './bytes';
import { Fault } from './fault';
import { maxFrame } from './generated/signalling';

const publicKeySize = 65;
const saltSize = 32;
const numberSize = 8;
const tagSize = 16;
const noteNonceSize = 12;

const hkdf = async (secret: Bytes, salt: Bytes, info: string, size: number): Promise<Bytes> =>
  new Uint8Array(
    await crypto.subtle.deriveBits(
      { name: 'HKDF', hash: 'SHA-256', salt, info: fromText(info) },
      await crypto.subtle.importKey('raw', secret, 'HKDF', false, ['deriveBits']),
      size * 8,
    ),
  );

const importAes = (key: Bytes): Promise<CryptoKey> =>
  crypto.subtle.importKey('raw', key, 'AES-GCM', false, ['encrypt', 'decrypt']);

/** One way of a channel: key, base nonce, and the number of the next frame. */
class Direction {
  next = 0;

  private constructor(
    private readonly key: CryptoKey,
    private readonly nonce: Bytes,
  ) {}

  static async derive(exported: Bytes, salt: Bytes, who: string): Promise<Direction> {
    const [key, nonce] = await Promise.all([
      hkdf(exported, salt, `porch ${who} key v1`, 16),
      hkdf(exported, salt, `porch ${who} nonce v1`, 12),
    ]);
    return new Direction(await importAes(key), nonce);
  }

  /** AES-GCM with the base nonce XOR the frame's number, which is authenticated too. */
  parameters(number: Bytes): AesGcmParams {
    const iv = this.nonce.slice();
    number.forEach((byte, i) => {
      iv[iv.length - numberSize + i]! ^= byte;
    });
    return { name: 'AES-GCM', iv, additionalData: number };
  }

  encrypt = (number: Bytes, plain: Bytes): Promise<ArrayBuffer> =>
    crypto.subtle.encrypt(this.parameters(number), this.key, plain);

  decrypt = (number: Bytes, ciphertext: Bytes): Promise<ArrayBuffer> =>
    crypto.subtle.decrypt(this.parameters(number), this.key, ciphertext);
}

const encodeNumber = (n: number): Bytes => {
  const number = new Uint8Array(numberSize);
  new DataView(number.buffer).setBigUint64(0, BigInt(n));
  return number;
};

/**
 * One end of a sealed channel. Calls of `seal` must not overlap; those of `open` may, once the first has resolved.
 * Frames must be opened in the order in which they came. After an error of `open` the channel must not be used again.
 */
export class Channel {
  #out: Direction | undefined;
  #in: Direction | undefined;
  #begun = false;
  #salt: Bytes | undefined;

  private constructor(
    /** What must be sent before the first frame. */
    readonly opening: Bytes,
    private readonly sealFirst: (plain: Bytes, number: Bytes) => Promise<Bytes>,
    private readonly exported: Bytes,
  ) {}

  /**
   * Begins a channel to the host of a link. Faults: `key-mismatch` when the public key, which a relay named, is not the
   * link's.
   * @param ephemeral for test vectors only
   */
  static async open(publicKey: Bytes, id: string, ephemeral?: CryptoKeyPair): Promise<Channel> {
    const digest = await crypto.subtle.digest('SHA-256', publicKey);
    if (publicKey.length !== publicKeySize || toBase64url(new Uint8Array(digest, 0, 16)) !== id)
      throw new Fault('key-mismatch');
    const kem = () => {
      const made = KEM_DHKEM_P256_HKDF_SHA256();
      return ephemeral ? Object.assign(made, { GenerateKeyPair: async () => ephemeral }) : made;
    };
    const suite = new CipherSuite(kem, KDF_HKDF_SHA256, AEAD_AES_128_GCM);
    try {
      const { encapsulatedSecret, ctx } = await suite.SetupSender(
        await suite.DeserializePublicKey(publicKey),
        { info: fromText(`porch channel v1 ${id}`) },
      );
      return new Channel(
        new Uint8Array(encapsulatedSecret),
        async (plain, number) => new Uint8Array(await ctx.Seal(plain, number)),
        new Uint8Array(await ctx.Export(fromText('porch session v1'), 32)),
      );
    } catch {
      throw new Fault('key-mismatch'); // not a point of the curve
    }
  }

  /** The next frame. The second needs the host's first: `message-unexpected`. */
  async seal(plain: Bytes): Promise<Bytes> {
    if (plain.length > maxFrame) throw new Fault('frame-too-large');
    if (!this.#begun) {
      this.#begun = true;
      const number = encodeNumber(0);
      return concat(number, await this.sealFirst(plain, number));
    }
    if (!this.#out) throw new Fault('message-unexpected');
    const number = encodeNumber(this.#out.next++);
    return concat(number, new Uint8Array(await this.#out.encrypt(number, plain)));
  }

  /** 32 bytes that no other channel has, once the host's first frame is open: what is signed over them is good for this one only. */
  binding(): Promise<Bytes> {
    return hkdf(this.exported, this.#salt!, 'porch channel binding v1', 32);
  }

  /**
   * The message in the next frame of the host. Faults: `frame-too-large`, `frame-truncated`, `frame-replayed`,
   * `frame-out-of-order`, `seal-broken`.
   */
  async open(frame: Bytes): Promise<Bytes> {
    let salt: Bytes | undefined;
    if (!this.#in) {
      salt = frame.slice(0, saltSize);
      frame = frame.slice(saltSize);
    }
    if (frame.length > numberSize + maxFrame + tagSize) throw new Fault('frame-too-large');
    if (frame.length < numberSize + tagSize) throw new Fault('frame-truncated');
    const number = frame.slice(0, numberSize);
    const got = new DataView(number.buffer).getBigUint64(0);
    const want = BigInt(this.#in?.next ?? 0);
    if (got !== want) throw new Fault(got < want ? 'frame-replayed' : 'frame-out-of-order');
    if (salt) {
      [this.#in, this.#out] = await Promise.all([
        Direction.derive(this.exported, salt, 'host'),
        Direction.derive(this.exported, salt, 'guest'),
      ]);
      this.#out.next = 1; // HPKE sealed the first
      this.#salt = salt;
    }
    this.#in!.next++;
    try {
      return new Uint8Array(await this.#in!.decrypt(number, frame.slice(numberSize)));
    } catch {
      throw new Fault('seal-broken');
    }
  }
}

/**
 * The reason in the note of a link that does not answer, such as "spent" or "removed"; undefined when it is noise to
 * whoever holds this secret.
 */
export async function openNote(
  secret: Bytes,
  id: string,
  note: Bytes,
): Promise<string | undefined> {
  try {
    const salt = fromText(id);
    const key = await importAes(await hkdf(secret, salt, 'porch note v1 key', 16));
    const plain = new Uint8Array(
      await crypto.subtle.decrypt(
        { name: 'AES-GCM', iv: note.slice(0, noteNonceSize), additionalData: salt },
        key,
        note.slice(noteNonceSize),
      ),
    );
    return String.fromCharCode(...plain.subarray(1, 1 + plain[0]!));
  } catch {
    return undefined;
  }
}
