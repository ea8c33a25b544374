import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { HostMessage, Screen, Slot } from '$src/transport';
import { Peer } from './peer';

/** What of a connection a Peer uses of its own picture; nothing is connected. */
class Connection {
  static last: Connection;
  connectionState = 'new';
  remoteDescription: unknown = null;
  carried: string[] = [];
  sender = {
    track: null as unknown,
    encodings: [{ active: true }] as RTCRtpEncodingParameters[],
    getParameters: () => ({ encodings: structuredClone(this.sender.encodings) }),
    setParameters: async ({ encodings }: RTCRtpSendParameters) => {
      this.sender.encodings = encodings;
    },
    limited: 'none',
    getStats: async () => new Map([['o', { qualityLimitationReason: this.sender.limited }]]),
    replaceTrack: async (track: unknown) => {
      this.sender.track = track;
      const [encoding] = this.sender.encodings;
      this.carried.push(`${track ? 'picture' : 'nothing'} at 1/${encoding?.scaleResolutionDownBy}`);
    },
  };
  #other = { track: null, replaceTrack: async () => {} };
  /** Sections that an offer has added. */
  added: { mid: string; direction: string; sender: object; receiver: { track: unknown } }[] = [];

  constructor(public configuration: RTCConfiguration) {
    Connection.last = this;
  }
  setConfiguration(configuration: RTCConfiguration) {
    this.configuration = configuration;
  }
  getTransceivers() {
    const own = [this.#other, this.sender].map((sender) => ({
      mid: null,
      direction: 'sendonly',
      sender,
    }));
    return [...own, ...this.added];
  }
  async setRemoteDescription(description: unknown) {
    this.remoteDescription = description;
  }
  async createAnswer() {
    return { type: 'answer', sdp: 'answer' };
  }
  async setLocalDescription() {}
  async addIceCandidate() {}
  close() {
    this.connectionState = 'closed';
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('RTCPeerConnection', Connection);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const somebody: Slot[] = [{ mid: '2', participant: 'ada', kind: 'video' }];

function open(size: { width: number; height: number } | undefined = { width: 1280, height: 720 }) {
  const picture = { getSettings: () => size } as unknown as MediaStreamTrack;
  const own = { video: size && picture } as { video: MediaStreamTrack | undefined };
  const screen: { video?: MediaStreamTrack } = {};
  let tracks: ReadonlyMap<string, object> = new Map();
  const carried = () => Object.fromEntries(tracks);
  const peer = new Peer({
    send: () => {},
    own: (kind) => (kind === 'video' ? own.video : undefined),
    stereo: () => false,
    screen: (kind) => (kind === 'video' ? screen.video : undefined),
    me: () => 'me',
    ontracks: (now) => {
      tracks = now;
    },
    onpath: () => {},
  });
  const connection = Connection.last;
  const offer = async () => {
    peer.receive({ type: 'offer', payload: { negotiation: 1, sdp: 'offer' } });
    await vi.advanceTimersByTimeAsync(0);
  };
  const slots = async (slots: Slot[]) => {
    peer.receive({ type: 'tracks', payload: { slots } });
    await vi.advanceTimersByTimeAsync(0);
  };
  const sent = () => {
    const { active, scaleResolutionDownBy } = connection.sender.encodings[0]!;
    return active ? 1 / (scaleResolutionDownBy ?? 1) : 0;
  };
  return { peer, own, screen, carried, picture, connection, offer, slots, sent };
}

/** A section that an offer adds for a screen. */
function section(mid: string) {
  const parameters = { encodings: [{}] } as unknown as RTCRtpSendParameters;
  const sender = {
    track: null as unknown,
    parameters,
    getParameters: () => structuredClone(sender.parameters),
    setParameters: async (next: RTCRtpSendParameters) => {
      sender.parameters = next;
    },
    replaceTrack: async (track: unknown) => {
      sender.track = track;
    },
  };
  return { mid, direction: 'recvonly', sender, receiver: { track: `track ${mid}` } };
}

describe('a shared screen', () => {
  const said = async (peer: Peer, payload: Screen) => {
    peer.receive({ type: 'screen', payload });
    await vi.advanceTimersByTimeAsync(0);
  };

  it('of another is carried beside their camera, until it ends', async () => {
    const { peer, connection, carried, offer, slots } = open();
    await slots([]);
    await offer();
    connection.added = [section('5'), section('6')];
    await said(peer, { participant: 'ada', video: '6', audio: '5' });
    expect(carried()).toEqual({ 'ada.screen': { audio: 'track 5', video: 'track 6' } });
    expect(connection.added.map(({ direction }) => direction)).toEqual(['recvonly', 'recvonly']);
    await said(peer, { participant: '' });
    expect(carried()).toEqual({});
  });

  it('of the own is sent in the sections that are named for it, sharp rather than often', async () => {
    const { peer, screen, connection, carried, offer, slots } = open();
    await slots(somebody);
    await offer();
    const [sound, picture] = [section('5'), section('6')];
    screen.video = 'my screen' as unknown as MediaStreamTrack;
    connection.added = [sound, picture];
    await said(peer, { participant: 'me', video: '6', audio: '5' });
    expect(picture.sender.track).toBeNull(); // before the offer that has them
    await offer();
    expect([sound.direction, picture.direction]).toEqual(['sendonly', 'sendonly']);
    expect(picture.sender.track).toBe('my screen');
    expect(sound.sender.track).toBeNull();
    expect(picture.sender.parameters.degradationPreference).toBe('maintain-resolution');
    expect(picture.sender.parameters.encodings[0]!.maxBitrate).toBe(2_500_000);
    expect(carried()).toEqual({});

    screen.video = undefined;
    peer.refresh();
    await vi.advanceTimersByTimeAsync(0);
    expect(picture.sender.track).toBeNull();

    // The next time the sections are there.
    screen.video = 'my other screen' as unknown as MediaStreamTrack;
    await said(peer, { participant: 'me', video: '6' });
    expect(picture.sender.track).toBe('my other screen');
  });

  it('of the own is not sent while nobody looks, and at the rate that all can have', async () => {
    const { peer, screen, connection, offer, slots } = open();
    await slots(somebody);
    await offer();
    const picture = section('6');
    connection.added = [picture];
    screen.video = 'my screen' as unknown as MediaStreamTrack;
    await said(peer, { participant: 'me', video: '6' });
    await offer();
    const wanted = async (screen?: { active: boolean; maxBitrate?: number }) => {
      peer.receive({ type: 'layers', payload: { video: [], ...(screen && { screen }) } });
      await vi.advanceTimersByTimeAsync(0);
      const { active, maxBitrate } = picture.sender.parameters.encodings[0]!;
      return active ? maxBitrate : 0;
    };
    expect(await wanted({ active: true, maxBitrate: 800_000 })).toBe(800_000);
    expect(await wanted({ active: false })).toBe(0);
    expect(picture.sender.track).toBe('my screen');
    expect(await wanted({ active: true })).toBe(2_500_000);
    expect(await wanted({ active: false })).toBe(0);
    expect(await wanted()).toBe(2_500_000); // for the next time, of which the host has said nothing yet
  });
});

describe('what the host wants of the own picture', () => {
  const layers = (active: boolean, maxBitrate?: number): HostMessage => ({
    type: 'layers',
    payload: { video: [{ active, maxBitrate }] },
  });
  const said = async (peer: Peer, message: HostMessage) => {
    peer.receive(message);
    await vi.advanceTimersByTimeAsync(0);
  };

  it('is obeyed: nobody takes it, then somebody does, at some rate', async () => {
    const { peer, offer, slots, sent, connection } = open();
    const rate = () => connection.sender.encodings[0]?.maxBitrate;
    await slots(somebody);
    await offer();
    expect(rate()).toBe(1_500_000);
    await said(peer, layers(false));
    expect(sent()).toBe(0);
    await said(peer, layers(true, 300_000));
    expect(sent()).toBe(1 / 2);
    expect(rate()).toBe(300_000);
    await said(peer, layers(true, 9_000_000));
    expect(rate()).toBe(1_500_000);
  });

  it('counts once there is somebody: until then the page decides', async () => {
    const { peer, offer, slots, sent } = open();
    await offer();
    await said(peer, layers(false));
    peer.expect(true);
    await vi.advanceTimersByTimeAsync(0);
    expect(sent()).toBe(1 / 2);
    await slots(somebody);
    expect(sent()).toBe(0);
    await said(peer, layers(true));
    expect(sent()).toBe(1 / 2);
  });

  it('may come before the offer, and is about layers that are not there', async () => {
    const { peer, offer, slots, sent } = open();
    await said(peer, { type: 'layers', payload: { video: [{ rid: 'q', active: false }] } });
    await slots(somebody);
    await offer();
    expect(sent()).toBe(1 / 2);
  });
});

describe('the own picture', () => {
  it('is not sent to an empty call', async () => {
    const { offer, slots, sent } = open();
    await offer();
    expect(sent()).toBe(0);
    await slots(somebody);
    expect(sent()).toBe(1 / 2);
    await slots([]);
    expect(sent()).toBe(0);
  });

  it('begins at half its size, before the encoder has seen it, and grows after a while', async () => {
    const { offer, slots, sent, connection } = open();
    await slots(somebody);
    await offer();
    expect(connection.carried).toEqual(['picture at 1/2']);
    await vi.advanceTimersByTimeAsync(2999);
    expect(sent()).toBe(1 / 2);
    await vi.advanceTimersByTimeAsync(1);
    expect(sent()).toBe(1);
    await slots([...somebody, ...somebody]);
    expect(sent()).toBe(1);
  });

  it('stays small as long as the line is too slow even for that', async () => {
    const { offer, slots, sent, connection } = open();
    await slots(somebody);
    await offer();
    connection.sender.limited = 'bandwidth';
    await vi.advanceTimersByTimeAsync(9000);
    expect(sent()).toBe(1 / 2);
    connection.sender.limited = 'cpu';
    await vi.advanceTimersByTimeAsync(3000);
    expect(sent()).toBe(1);
  });

  it('begins so once: the browser knows by then how much it can send', async () => {
    const { peer, own, picture, offer, slots, sent } = open();
    await slots(somebody);
    await offer();
    await vi.advanceTimersByTimeAsync(3000);
    await slots([]);
    expect(sent()).toBe(0);
    await slots(somebody);
    expect(sent()).toBe(1);
    own.video = undefined;
    peer.refresh();
    await vi.advanceTimersByTimeAsync(0);
    own.video = picture;
    peer.refresh();
    await vi.advanceTimersByTimeAsync(0);
    expect(sent()).toBe(1);
  });

  it('of several layers goes on in the middle one when somebody comes to an empty call', async () => {
    const { peer, offer, slots, connection } = open();
    connection.sender.encodings = [{ rid: 'q' }, { rid: 'h' }, { rid: 'f' }];
    const layers = () =>
      connection.sender.encodings.filter(({ active }) => active).map(({ rid }) => rid);
    peer.expect(true);
    await offer();
    await vi.advanceTimersByTimeAsync(5000);
    expect(layers()).toEqual(['h']);
    const video = ['q', 'h', 'f'].map((rid) => ({ rid, active: rid === 'f' }));
    peer.receive({ type: 'layers', payload: { video } });
    await slots(somebody);
    expect(layers()).toEqual(['h']); // what the newcomer finds
    await vi.advanceTimersByTimeAsync(3000);
    expect(layers()).toEqual(['h', 'f']);
    await vi.advanceTimersByTimeAsync(1000);
    expect(layers()).toEqual(['f']);
    await slots([...somebody, ...somebody]);
    expect(layers()).toEqual(['f']);
  });

  it('of a small camera begins as it is, and a phone held upright has a large one', async () => {
    for (const [size, part] of [
      [{ width: 640, height: 480 }, 1],
      [{ width: 720, height: 1280 }, 1 / 2],
    ] as const) {
      const { offer, slots, sent } = open(size);
      await slots(somebody);
      await offer();
      expect(sent()).toBe(part);
    }
  });

  it('is made ready when somebody is expected, and not at once given up', async () => {
    const { peer, offer, sent } = open();
    await offer();
    peer.expect(true);
    await vi.advanceTimersByTimeAsync(0);
    expect(sent()).toBe(1 / 2);
    peer.expect(false);
    await vi.advanceTimersByTimeAsync(1999);
    expect(sent()).not.toBe(0);
    await vi.advanceTimersByTimeAsync(1);
    expect(sent()).toBe(0);
  });

  it('is of few frames until somebody sees it', async () => {
    const { peer, connection, offer, slots } = open();
    const rate = () => connection.sender.encodings[0]?.maxFramerate;
    await offer();
    peer.expect(true);
    await vi.advanceTimersByTimeAsync(0);
    expect(rate()).toBe(10);
    await slots(somebody);
    expect(rate()).toBe(30);
  });

  it('changes nothing after the connection was closed', async () => {
    const { peer, offer, slots, connection } = open();
    await slots(somebody);
    await offer();
    await slots([]); // a change that is under way
    peer.receive({ type: 'tracks', payload: { slots: somebody } });
    peer.close();
    const set = vi.spyOn(connection.sender, 'setParameters');
    await vi.advanceTimersByTimeAsync(10_000);
    expect(set).not.toHaveBeenCalled();
  });

  it('asks the browser for its parameters only when there is something to change', async () => {
    const { connection, offer, slots } = open();
    await slots(somebody);
    await offer();
    await vi.advanceTimersByTimeAsync(10_000);
    const get = vi.spyOn(connection.sender, 'getParameters');
    await slots([...somebody, ...somebody]);
    expect(get).not.toHaveBeenCalled();
  });
});

it('takes other servers, and stays as it is in everything else', () => {
  const certificate = {} as RTCCertificate;
  const peer = new Peer({
    iceServers: [{ urls: ['turn:example.org'], username: 'old', credential: 'c' }],
    certificate,
    send: () => {},
    own: () => undefined,
    stereo: () => false,
    screen: () => undefined,
    me: () => 'me',
    ontracks: () => {},
    onpath: () => {},
  });
  const { iceServers: before, ...rest } = Connection.last.configuration;
  const after = [{ urls: ['turn:example.org'], username: 'new', credential: 'c' }];
  peer.use(after);
  expect(before?.[0]?.username).toBe('old');
  expect(Connection.last.configuration).toEqual({ ...rest, iceServers: after });
  expect(Connection.last.configuration.certificates).toEqual([certificate]);
});
