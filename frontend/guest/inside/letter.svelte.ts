import type { Got } from '$src/transport';
import { toBase64url } from '$src/transport/bytes';
import {
  type LetterKind,
  letterWindow,
  maxLetter,
  maxLetterSeconds,
  maxPiece,
} from '$src/transport/generated/signalling';
import type { Session } from '../session.svelte';

type Stage = 'choose' | 'recording' | 'ready' | 'sending' | 'saved' | 'refused';

/** What a recorder may make, the first that the browser can: small enough for a minute. */
const types = {
  sound: ['audio/webm;codecs=opus', 'audio/mp4', 'audio/ogg;codecs=opus'],
  video: ['video/webm;codecs=vp8,opus', 'video/mp4'],
};

/** A message that a guest leaves at the door: recorded, looked at, and sent as the host takes it. */
export class Letter {
  stage = $state<Stage>('choose');
  kind = $state<LetterKind>('sound');
  seconds = $state(0);
  /** Of the message that is sent, from 0 to 1. */
  part = $state(0);
  blob = $state.raw<Blob>();
  readonly #session: Session;
  #recorder: MediaRecorder | undefined;
  #tick: ReturnType<typeof setInterval> | undefined;
  #again: ReturnType<typeof setTimeout> | undefined;
  #bytes: Uint8Array<ArrayBuffer> | undefined;
  #sent = 0;

  constructor(session: Session) {
    this.#session = session;
    session.ongot = (got) => this.#got(got);
  }

  record(kind: 'sound' | 'video'): void {
    const { audio, video } = this.#session.capture;
    const tracks = [audio, kind === 'video' ? video : undefined].filter((track) => !!track);
    if (tracks.length === 0) return;
    const mimeType = types[kind].find((type) => MediaRecorder.isTypeSupported(type));
    const clones = tracks.map((track) => track.clone());
    // Muted is for a call: whoever records wants to be heard and seen.
    for (const track of clones) track.enabled = true;
    const end = () => {
      for (const track of clones) track.stop();
    };
    let recorder: MediaRecorder;
    try {
      recorder = new MediaRecorder(new MediaStream(clones), {
        ...(mimeType && { mimeType }),
        audioBitsPerSecond: 40_000,
        videoBitsPerSecond: 600_000,
      });
      recorder.start(1000);
    } catch {
      end();
      return; // a note can still be written
    }
    const parts: Blob[] = [];
    recorder.ondataavailable = ({ data }) => parts.push(data);
    recorder.onstop = () => {
      clearInterval(this.#tick);
      end();
      this.blob = new Blob(parts, { type: recorder.mimeType });
      this.stage = 'ready';
    };
    this.kind = kind;
    this.seconds = 0;
    this.stage = 'recording';
    this.#recorder = recorder;
    this.#tick = setInterval(() => {
      this.seconds++;
      if (this.seconds >= maxLetterSeconds) this.stop();
    }, 1000);
  }

  stop(): void {
    if (this.#recorder?.state === 'recording') this.#recorder.stop();
  }

  write(text: string): void {
    this.kind = 'note';
    this.seconds = 0;
    this.blob = new Blob([text]);
    void this.send();
  }

  async send(): Promise<void> {
    if (!this.blob) return;
    this.#bytes = new Uint8Array(await this.blob.arrayBuffer());
    this.stage = this.#bytes.length > maxLetter ? 'refused' : 'sending';
    this.begin();
  }

  /** Begins to send, or anew after the host could not be reached. */
  begin(): void {
    if (this.stage !== 'sending' || !this.#bytes) return;
    this.part = this.#sent = 0;
    const { kind, seconds } = this;
    this.#session.send({
      type: 'letter',
      payload: { kind, size: this.#bytes.length, ...(seconds > 0 && { seconds }) },
    });
  }

  close(): void {
    this.stop();
    clearTimeout(this.#again);
    this.#session.ongot = undefined;
  }

  #got({ bytes, saved, refused }: Got): void {
    const all = this.#bytes;
    if (this.stage !== 'sending' || !all) return;
    if (saved) this.stage = 'saved';
    else if (refused === 'too-fast') this.#again = setTimeout(() => this.begin(), 5000);
    else if (refused) this.stage = 'refused';
    if (saved || refused) return;
    this.part = bytes / all.length;
    while (this.#sent < all.length && this.#sent - bytes < letterWindow) {
      const data = toBase64url(all.subarray(this.#sent, this.#sent + maxPiece));
      if (!this.#session.send({ type: 'piece', payload: { data } })) return;
      this.#sent += maxPiece;
    }
  }
}
