/** What goes one way, counted from some moment on. */
export interface Flow {
  /** With all headers, as a network counts them. */
  bytes: number;
  packets: number;
  /** Of the packets. */
  lost: number;
  /** Lines of the picture; 0 without one. */
  height: number;
  frames: number;
}

/** How a person is reached: by the host as package figures says it, and by a guest direct or through a relay. */
export const ways = ['computer', 'network', 'internet', 'direct', 'relay'] as const;
export type Way = (typeof ways)[number];

/** What is known of the way to a person; for the own one (OWN, or their id) it is the way to the host. */
export interface PersonFigures {
  id: string;
  /** '' while there is no way. */
  way: Way | '';
  /** Microseconds; 0 while it is unknown. */
  roundTrip: number;
  out: Flow;
  in: Flow;
}

/** The counters of a call at one moment, as backend/call/figures has them. Two of them say what goes on. */
export interface Figures {
  /** Milliseconds. */
  at: number;
  /** Bytes so far, with all headers. */
  sent: number;
  received: number;
  people: readonly PersonFigures[];
  /** What the host's line to the internet carries; only the host knows. */
  uplink?: Uplink;
}

/** What a line carries that several share. */
export interface Uplink {
  /** Bit/s; 0 as long as there was room for everything. */
  rate: number;
  /** Lines in which most people are shown by it; 0 if most pictures pause. */
  height: number;
  /** Pictures for which it has no room. */
  paused: number;
}

export const nothing: Flow = { bytes: 0, packets: 0, lost: 0, height: 0, frames: 0 };
