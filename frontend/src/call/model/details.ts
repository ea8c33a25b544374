import {
  type Figures,
  type Flow,
  type PersonFigures,
  type Uplink,
  type Way,
  ways,
} from '$src/media/figures';

/** What a flow has done between two looks. What can't be said is undefined. */
export interface Pace {
  /** Bit/s. */
  rate?: number;
  /** 0 to 1. */
  loss?: number;
  /** Lines of the picture; undefined without one. */
  height?: number;
  /** Pictures a second. */
  frames?: number;
}

/** What a call has done between two looks at it. */
export interface Reading {
  /** Bytes so far. */
  sent: number;
  received: number;
  /** Bytes a minute. */
  sentPace?: number;
  receivedPace?: number;
  uplink?: Uplink;
  people: ReadonlyMap<string, { way: Way | ''; roundTrip: number; out: Pace; in: Pace }>;
}

/** Looks that are this far apart, in milliseconds, are compared: long enough that a keyframe is no event. */
const span = 5000;

/** The last looks at a call. */
export class Looks {
  readonly #looks: Figures[] = [];

  /** Takes a look; what it says together with the earlier ones. */
  take(figures: Figures): Reading {
    const looks = this.#looks;
    // Counters that begin anew belong to another connection.
    const last = looks.at(-1);
    if (last && (figures.at <= last.at || figures.sent < last.sent)) looks.length = 0;
    looks.push(figures);
    while (looks.length > 2 && figures.at - looks[1]!.at >= span) looks.shift();
    return compare(looks[0]!, figures);
  }
}

function compare(before: Figures, now: Figures): Reading {
  const seconds = (now.at - before.at) / 1000;
  const grown = (a: number, b: number) => (seconds > 0 && b >= a ? (b - a) / seconds : undefined);
  const perMinute = (a: number, b: number) => {
    const rate = grown(a, b);
    return rate === undefined ? undefined : rate * 60;
  };
  const known = new Map(before.people.map((person) => [person.id, person]));
  const pace = (a: Flow | undefined, b: Flow): Pace => {
    const height = b.height || undefined;
    if (!a || b.bytes === 0) return { height };
    const bytes = grown(a.bytes, b.bytes);
    const packets = b.packets - a.packets;
    const lost = b.lost - a.lost;
    return {
      rate: bytes === undefined ? undefined : bytes * 8,
      loss: packets > 0 && lost >= 0 ? Math.min(1, lost / packets) : undefined,
      height,
      frames: height && a.height ? plausible(grown(a.frames, b.frames)) : undefined,
    };
  };
  const of = ({ id, way, roundTrip, out, in: into }: PersonFigures) => {
    const earlier = known.get(id);
    return [
      id,
      { way, roundTrip, out: pace(earlier?.out, out), in: pace(earlier?.in, into) },
    ] as const;
  };
  return {
    sent: now.sent,
    received: now.received,
    uplink: now.uplink,
    sentPace: perMinute(before.sent, now.sent),
    receivedPace: perMinute(before.received, now.received),
    people: new Map(now.people.map(of)),
  };
}

/** Another layer of a picture has another count, and the step from one to the other is no rate. */
const plausible = (frames?: number) => (frames === undefined || frames > 120 ? undefined : frames);

/** Whose figures stand in a report, without a name. */
export type Who = 'you' | 'host' | 'guest';

/**
 * A reading as a file that may be shown to anybody: figures under words of our own, whatever the reading holds. Nothing
 * that came from elsewhere is copied as text, so neither names nor addresses can be in it.
 */
export function reportOf(reading: Reading, people: readonly { id: string; who: Who }[]): string {
  const figure = (n: unknown, digits = 0) =>
    typeof n === 'number' && Number.isFinite(n) ? Number(n.toFixed(digits)) : undefined;
  const flow = ({ rate, loss, height, frames }: Pace) => ({
    bitsPerSecond: figure(rate),
    lossPercent: figure(loss === undefined ? undefined : loss * 100, 2),
    lines: figure(height),
    framesPerSecond: figure(frames, 1),
  });
  const counts = { you: 0, host: 0, guest: 0 };
  return `${JSON.stringify(
    {
      porchCall: 1,
      bytesSent: figure(reading.sent),
      bytesReceived: figure(reading.received),
      bytesSentPerMinute: figure(reading.sentPace),
      bytesReceivedPerMinute: figure(reading.receivedPace),
      uplink: reading.uplink && {
        bitsPerSecond: figure(reading.uplink.rate),
        lines: figure(reading.uplink.height),
        paused: figure(reading.uplink.paused),
      },
      people: people.flatMap(({ id, who }) => {
        const row = reading.people.get(id);
        counts[who]++;
        if (!row) return [];
        return {
          who: who === 'guest' ? `guest ${counts.guest}` : who,
          way: ways.find((way) => way === row.way),
          roundTripMs: figure(row.roundTrip / 1000, 1),
          sent: flow(row.out),
          received: flow(row.in),
        };
      }),
    },
    undefined,
    2,
  )}\n`;
}
