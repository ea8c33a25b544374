import type { GuestMessage, Recording } from '$src/transport';

export type RecordingNotice = { kind: 'recording-over' };

interface Options {
  /** Sends a message; false while the channel is away. */
  send: (message: GuestMessage) => boolean;
  notice: (notice: RecordingNotice) => void;
}

/** Whether the call is recorded, and what the own answer to that is. */
export class Recorded {
  /** The host records the call: then the mark is shown, whatever else is. */
  on = $state(false);
  /** 'agreed', 'declined', or '' for no answer yet. */
  answer = $state<'' | 'agreed' | 'declined'>('');

  #number = 0;
  readonly #options: Options;

  constructor(options: Options) {
    this.#options = options;
  }

  /** Takes what the host says of a recording. */
  take({ on, number = 0, answer = '' }: Recording): void {
    if (this.on && !on) this.#options.notice({ kind: 'recording-over' });
    this.on = on;
    this.#number = number;
    this.answer = answer;
  }

  /** Agrees to be recorded, or does not, or no more. */
  agree(agree: boolean): void {
    const payload = { recording: this.#number, agree };
    if (this.#options.send({ type: 'consent', payload }))
      this.answer = agree ? 'agreed' : 'declined';
  }
}
