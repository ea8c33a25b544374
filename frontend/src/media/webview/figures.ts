import { OWN } from '$src/media/engine';
import { type Figures, type Flow, nothing, type PersonFigures } from '$src/media/figures';

/** What of the statistics of a connection (W3C webrtc-stats) is read; browsers leave out some of it. */
interface Report {
  type: string;
  id?: string;
  kind?: string;
  mid?: string;
  trackIdentifier?: string;
  timestamp?: number;
  bytesSent?: number;
  bytesReceived?: number;
  headerBytesSent?: number;
  headerBytesReceived?: number;
  packetsSent?: number;
  packetsReceived?: number;
  packetsLost?: number;
  frameHeight?: number;
  framesEncoded?: number;
  framesReceived?: number;
  active?: boolean;
  selectedCandidatePairId?: string;
  selected?: boolean;
  nominated?: boolean;
  state?: string;
  currentRoundTripTime?: number;
  localCandidateId?: string;
  remoteCandidateId?: string;
  candidateType?: string;
}

/** IPv4 and UDP, and the tag of SRTP: what a network carries beside what a browser counts of a datagram and a packet. */
const datagram = 28;
const packet = datagram + 16;
/** The header of RTP with extensions, where a browser does not count it. */
const header = 20;

/**
 * The figures of a connection to the host. participantOf says who is carried by a media section, given its mid and the id
 * of its track.
 */
export function figuresOf(
  stats: Iterable<Report>,
  participantOf: (mid: string | undefined, track: string | undefined) => string | undefined,
  at: number,
): Figures {
  const reports = [...stats];
  const people = new Map<string, PersonFigures>();
  const person = (id: string): PersonFigures => {
    const known = people.get(id) ?? {
      id,
      way: '',
      roundTrip: 0,
      out: { ...nothing },
      in: { ...nothing },
    };
    people.set(id, known);
    return known;
  };
  const own = person(OWN);
  let sentPackets = 0;
  let receivedPackets = 0;
  for (const r of reports) {
    if (r.type === 'inbound-rtp') {
      const packets = r.packetsReceived ?? 0;
      receivedPackets += packets;
      const id = participantOf(r.mid, r.trackIdentifier);
      if (id === undefined) continue;
      const lost = Math.max(0, r.packetsLost ?? 0);
      const bytes =
        (r.bytesReceived ?? 0) + (r.headerBytesReceived ?? header * packets) + packet * packets;
      add(person(id).in, {
        bytes,
        packets: packets + lost,
        lost,
        height: r.kind === 'video' ? (r.frameHeight ?? 0) : 0,
        frames: r.framesReceived ?? 0,
      });
    } else if (r.type === 'outbound-rtp') {
      const packets = r.packetsSent ?? 0;
      sentPackets += packets;
      const bytes = (r.bytesSent ?? 0) + (r.headerBytesSent ?? header * packets) + packet * packets;
      add(own.out, {
        bytes,
        packets,
        lost: 0,
        // What is not sent has a size all the same.
        height: r.kind === 'video' && r.active !== false ? (r.frameHeight ?? 0) : 0,
        frames: r.framesEncoded ?? 0,
      });
    } else if (r.type === 'remote-inbound-rtp') {
      own.out.lost += Math.max(0, r.packetsLost ?? 0);
    }
  }
  const byId = new Map(reports.map((r) => [r.id, r]));
  const transport = reports.find((r) => r.type === 'transport');
  const pairs = reports.filter((r) => r.type === 'candidate-pair');
  const pair =
    pairs.find(({ id }) => id !== undefined && id === transport?.selectedCandidatePairId) ??
    pairs.find((r) => r.selected) ??
    pairs.find((r) => r.nominated && r.state === 'succeeded');
  if (pair) {
    const relayed = [pair.localCandidateId, pair.remoteCandidateId].some(
      (id) => byId.get(id)?.candidateType === 'relay',
    );
    own.way = relayed ? 'relay' : 'direct';
    own.roundTrip = Math.round((pair.currentRoundTripTime ?? 0) * 1e6);
  }
  const carriers = transport?.bytesSent !== undefined ? [transport] : pairs;
  const sum = (of: (r: Report) => number | undefined) =>
    carriers.reduce((total, r) => total + (of(r) ?? 0), 0);
  return {
    at,
    sent: sum((r) => r.bytesSent) + datagram * (sum((r) => r.packetsSent) || sentPackets),
    received:
      sum((r) => r.bytesReceived) + datagram * (sum((r) => r.packetsReceived) || receivedPackets),
    people: [...people.values()],
  };
}

/** Adds a stream to a flow, whose picture is the largest of its streams. */
function add(flow: Flow, more: Flow): void {
  flow.bytes += more.bytes;
  flow.packets += more.packets;
  flow.lost += more.lost;
  if (more.height <= flow.height) return;
  flow.height = more.height;
  flow.frames = more.frames;
}
