import type { GuestMessage, HostMessage } from './generated/signalling';

export type * from './generated/signalling';

/** A fault code, as backend/fault names them. */
export type FaultCode = string;

/** Where a transport stands. */
export type TransportState =
  /** Not open, and nobody is known to be at fault: the first try, or the network or the relay is away. `attempt` counts failed tries in a row; `tooFast`: the relay wants fewer of them. */
  | { readonly phase: 'connecting'; readonly attempt: number; readonly tooFast?: boolean }
  /** The host has answered; messages flow. */
  | { readonly phase: 'open' }
  /** The relay is there, the host is not, though it was before; trying goes on. `since` is Date.now() of the loss. */
  | { readonly phase: 'hostAway'; readonly since: number; readonly attempt: number }
  /**
   * The link does not answer. `spent` and `removed` are final; with `unknown` (no such link, or its host's app is not
   * running: a relay does not tell these apart) trying goes on.
   */
  | { readonly phase: 'unavailable'; readonly reason: 'spent' | 'removed' | 'unknown' }
  /** Final: the other end broke the protocol, speaks another version, or does not hold the link's keys. */
  | { readonly phase: 'refused'; readonly code: FaultCode }
  /** Final: closed from here, or by the host after Ended; the message came before. */
  | { readonly phase: 'closed' };

/** What carries messages between a page and the host's call. */
export interface Transport {
  readonly state: TransportState;
  /** Set before connect. Called with each message, in order. */
  onmessage: ((message: HostMessage) => void) | null;
  /** Called after each change of state. */
  onstate: ((state: TransportState) => void) | null;
  /** Begins to connect, once. */
  connect(): void;
  /** Sends if the state is `open`; false if it is not, and the message is dropped. */
  send(message: GuestMessage): boolean;
  /** Tries again at once: drops the waiting time before the next try, and begins anew from a final state other than our own `close`. */
  retryNow(): void;
  /** Ends the transport; nothing is called after it. */
  close(): void;
}
