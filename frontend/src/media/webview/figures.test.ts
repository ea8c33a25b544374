import { describe, expect, it } from 'vitest';
import { OWN } from '$src/media/engine';
import { figuresOf } from './figures';

const inbound = (mid: string | undefined, kind: string, more: object = {}) => ({
  type: 'inbound-rtp',
  mid,
  kind,
  bytesReceived: 1000,
  headerBytesReceived: 200,
  packetsReceived: 10,
  ...more,
});
const pair = (more: object = {}) => ({
  type: 'candidate-pair',
  id: 'pair',
  bytesSent: 5000,
  bytesReceived: 7000,
  currentRoundTripTime: 0.0234,
  localCandidateId: 'near',
  remoteCandidateId: 'far',
  ...more,
});
const candidates = (local = 'host', remote = 'host') => [
  { type: 'local-candidate', id: 'near', candidateType: local, address: '192.0.2.1' },
  { type: 'remote-candidate', id: 'far', candidateType: remote, address: '192.0.2.2' },
];
const participantOf = (mid: string | undefined, track: string | undefined) =>
  ({ '2': 'ada', '3': 'ada', '4': 'bob' })[mid ?? ''] ?? (track === 'of bob' ? 'bob' : undefined);
const of = (...stats: { type: string }[]) => figuresOf(stats, participantOf, 0);

describe('the statistics of a connection', () => {
  it('are counted by person, as a network counts', () => {
    const { people } = of(
      inbound('2', 'audio', { packetsLost: 3 }),
      inbound('3', 'video', { frameHeight: 360, framesReceived: 90 }),
      inbound(undefined, 'video', { trackIdentifier: 'of bob', packetsLost: -1 }),
      inbound('9', 'audio'),
    );
    expect(people.map(({ id }) => id)).toEqual([OWN, 'ada', 'bob']);
    expect(people[1]!.in).toEqual({
      bytes: 2 * (1200 + 10 * 44),
      packets: 23,
      lost: 3,
      height: 360,
      frames: 90,
    });
    expect(people[2]!.in.lost).toBe(0);
  });

  it('say what is sent: the largest layer that is active, and what the host reports as lost', () => {
    const out = (height: number, active: boolean) => ({
      type: 'outbound-rtp',
      kind: 'video',
      bytesSent: 1000,
      headerBytesSent: 100,
      packetsSent: 10,
      frameHeight: height,
      framesEncoded: height,
      active,
    });
    const { people } = of(out(180, true), out(360, true), out(720, false), {
      type: 'remote-inbound-rtp',
      packetsLost: 4,
    } as never);
    expect(people[0]!.out).toEqual({
      bytes: 3 * (1100 + 440),
      packets: 30,
      lost: 4,
      height: 360,
      frames: 360,
    });
  });

  it.each([
    [
      'Chromium',
      [
        {
          type: 'transport',
          selectedCandidatePairId: 'pair',
          bytesSent: 50_000,
          bytesReceived: 70_000,
          packetsSent: 100,
          packetsReceived: 200,
        },
        pair(),
      ],
      { sent: 52_800, received: 75_600 },
    ],
    [
      'Firefox',
      [pair({ selected: true }), inbound('2', 'audio')],
      { sent: 5000, received: 7000 + 10 * 28 },
    ],
  ])('name the way and the data of %s', (_, stats, data) => {
    const direct = of(...stats, ...candidates());
    expect(direct).toMatchObject(data);
    expect(direct.people[0]).toMatchObject({ way: 'direct', roundTrip: 23_400 });
    expect(of(...stats, ...candidates('relay')).people[0]!.way).toBe('relay');
    expect(of(...stats, ...candidates('prflx', 'relay')).people[0]!.way).toBe('relay');
    expect(JSON.stringify(direct)).not.toContain('192.0.2');
  });

  it('say that there is no way yet', () => {
    expect(of().people[0]).toMatchObject({ id: OWN, way: '', roundTrip: 0 });
  });
});
