// The guest's page over a host that is made up, and a call with painted people.
import { mount, tick } from 'svelte';
import App from '../../guest/App.svelte';
import * as real from '../../guest/inside';
import type { Memory } from '../../guest/memory';
import Incomplete from '../../guest/pages/Incomplete.svelte';
import Unusable from '../../guest/pages/Unusable.svelte';
import { type Channel, type Inside, Session } from '../../guest/session.svelte';
import { Call } from '../../src/call/model/call.svelte';
import CallView from '../../src/call/view/CallView.svelte';
import { m } from '../../src/i18n';
import { OWN } from '../../src/media/engine';
import { Capture } from '../../src/media/webview/capture.svelte';
import type { Source } from '../../src/media/webview/source';
import { synthetic } from '../../src/media/webview/synthetic';
import { FakeTransport } from '../../src/test/fakeTransport';
import type { HostMessage, OfferedFile, Participant, TransportState } from '../../src/transport';
import { DrawnEngine, face, sharedScreen } from './faces';
import { labelled } from './find';

const now = Date.now();

/** A source whose camera shows a painted person. */
const person: Source = {
  ...synthetic,
  async open(wanted, choice) {
    const stream = await synthetic.open({ ...wanted, video: false }, choice);
    if (wanted.video) {
      const canvas = face(2, 4 / 3);
      const track = canvas.captureStream(5).getVideoTracks()[0]!;
      setInterval(() => canvas.getContext('2d')!.fillRect(0, 0, 1, 1), 100);
      stream.addTrack(track);
    }
    return stream;
  },
  async devices() {
    return {
      cameras: [{ id: 'a', name: 'FaceTime HD Camera' }],
      microphones: [{ id: 'b', name: 'MacBook Pro Microphone' }],
      speakers: [{ id: 'c', name: 'MacBook Pro Speakers' }],
    };
  },
};

const without = (name: string): Source => ({
  ...synthetic,
  async open() {
    throw new DOMException('no', name);
  },
  devices: async () => ({ cameras: [], microphones: [], speakers: [] }),
});

class FakeChannel extends FakeTransport implements Channel {
  constructor(readonly hasSeat = false) {
    super();
  }
  forgetSeat() {}
}

interface Setting {
  source?: Source;
  name?: string;
  seat?: boolean;
  linkName?: string;
  switches?: Memory['switches'];
}

async function show(
  target: HTMLElement,
  play: (channel: FakeChannel, session: Session) => void | Promise<void>,
  {
    source = person,
    name = 'Mia Lindqvist',
    seat,
    linkName = 'Sunday with Grandma',
    switches,
  }: Setting = {},
): Promise<void> {
  const channel = new FakeChannel(seat);
  const session = new Session({
    capture: new Capture(source, switches ?? { muted: false, cameraOff: false }),
    memory: { name, language: '', switches: { muted: false, cameraOff: false } },
    channel: () => channel,
    inside: async () => real as Inside,
    still: async () => undefined,
  });
  mount(App, { target, props: { session } });
  channel.become({ phase: 'open' });
  channel.say({ type: 'welcome', payload: { version: 1, linkName, hostName: 'Ada' } });
  await play(channel, session);
  await tick();
  await new Promise((done) => setTimeout(done, 400));
}

const waiting =
  (bell: 'rung' | 'silenced' | 'asked-to-wait') => (channel: FakeChannel, session: Session) => {
    session.join('Mia Lindqvist');
    channel.say({ type: 'waiting', payload: { bell, since: now - 12_000, ago: 12_000 } });
  };
const ended =
  (reason: Extract<HostMessage, { type: 'ended' }>['payload']['reason']) =>
  (channel: FakeChannel, session: Session) => {
    session.join('Mia');
    channel.say({ type: 'ended', payload: { reason } });
  };
const state = (to: TransportState) => (channel: FakeChannel) => channel.become(to);

const crowd = [
  'Ada',
  'Grandma',
  'Uncle Theo',
  'Boris',
  'Cleo',
  'Dana',
  'Émile',
  'Fatima',
  'Goran',
  'Hana',
  'Ivo',
];

function inCall(
  others: number,
  after: (call: Call, engine: DrawnEngine) => void = () => {},
  own: Partial<Participant> = {},
  guest = false, // with what only the guest's page has
) {
  return async (target: HTMLElement) => {
    const names = crowd.slice(0, others);
    const ratios = [16 / 9, 4 / 3, 16 / 9, 9 / 16, 16 / 9, 4 / 3];
    const engine = new DrawnEngine({
      [OWN]: face(2, innerWidth < 600 ? 3 / 4 : 4 / 3),
      ...Object.fromEntries(names.map((n, i) => [n, face(i, ratios[i % 6]!)])),
      'Grandma.screen': sharedScreen(),
      'Ada.screen': sharedScreen(900, 1440),
    });
    const call = new Call(engine, () => true);
    call.receive({
      type: 'roster',
      payload: {
        you: 'me',
        participants: [
          { id: 'me', name: 'Mia Lindqvist', joinedAt: 99, ...own },
          ...names.map((name, i) => ({
            id: name,
            name,
            joinedAt: i,
            host: i === 0,
            muted: i === 2,
            cameraOff: i === 4,
          })),
        ],
        chat: [],
        takes: ['sharing', 'hand', 'react', 'spotlight', 'earlier'],
      },
    });
    call.receive({ type: 'speaking', payload: { ids: ['Grandma'] } });
    after(call, engine);
    if (guest) {
      const session = { linkName: 'Sunday with Grandma', leave: () => {} } as unknown as Session;
      mount(real.InCall, { target, props: { session, call, offstage: false } });
    } else {
      mount(CallView, { target, props: { call, title: 'Sunday with Grandma', onleave: () => {} } });
    }
    await tick();
    await new Promise((done) => setTimeout(done, 400));
  };
}

const shares = (participant: string) => (call: Call) =>
  call.receive({ type: 'screen', payload: { participant } });

const chat: [string, string][] = [
  ['Ada', 'Welcome everybody! The photos are at https://porch.example/album.'],
  ['Grandma', 'Can you all hear me? The piano is a little loud.'],
  ['Grandma', 'Theo, your picture is upside down again 😄'],
  [
    'me',
    'We can hear you very well. Here’s the recipe you asked for: 500 g flour, 2 eggs, a pinch of salt.',
  ],
  ['Uncle Theo', 'Better now?'],
];
const talk = (call: Call) => {
  for (const [i, [participant, text]] of chat.entries()) {
    call.receive({
      type: 'chat',
      payload: {
        line: { id: i + 1, participant, name: participant, text, at: now - (9 - i) * 50_000 },
      },
    });
  }
};

const files: [string, OfferedFile][] = [
  ['Ada', { name: 'Garden in spring.jpg', size: 3_200_000, kind: 'picture' }],
  ['Grandma', { name: 'recipe.pdf', size: 48_000, kind: 'other' }],
  ['Uncle Theo', { name: 'photo.jpg.exe', size: 12_000_000, kind: 'program' }],
  [
    'me',
    { name: 'Letter to Aunt Adelgunde about the wedding in June.odt', size: 900, kind: 'other' },
  ],
  ['Ada', { name: 'old.zip', size: 9_000_000, kind: 'other', over: 'gone' }],
];

/** Presses the button with these words. */
const press = (words: string) =>
  [...document.querySelectorAll('button')].find((one) => one.textContent.trim() === words)?.click();

/** Presses Call details, and waits for two looks. */
export const openDetails = () => setTimeout(() => labelled(m.call_details())?.click(), 100);

export const scenes: Record<string, (target: HTMLElement) => Promise<void>> = {
  'guest-door': (target) => show(target, () => {}),
  'guest-door-first': (target) =>
    show(target, () => {}, { name: '', linkName: '', switches: { muted: true, cameraOff: true } }),
  'guest-door-devices': (target) => show(target, () => document.querySelector('summary')!.click()),
  'guest-door-refused': (target) => show(target, () => {}, { source: without('NotAllowedError') }),
  'guest-door-busy': (target) => show(target, () => {}, { source: without('NotReadableError') }),
  'guest-waiting': (target) => show(target, waiting('rung')),
  'guest-waiting-asked': (target) => show(target, waiting('asked-to-wait')),
  'guest-waiting-outside': (target) =>
    show(target, (channel, session) => {
      session.join('Mia Lindqvist');
      channel.say({ type: 'outside', payload: {} });
    }),
  'guest-waiting-rename': (target) =>
    show(target, (channel, session) => {
      session.takes = ['rename'];
      waiting('rung')(channel, session);
      setTimeout(() => press(m.guest_change_name()), 200);
    }),
  'guest-waiting-away': (target) =>
    show(target, (channel, session) => {
      waiting('rung')(channel, session);
      channel.become({ phase: 'hostAway', since: now, attempt: 1 });
    }),
  'guest-declined': (target) =>
    show(target, (channel, session) => {
      session.join('Mia');
      channel.say({ type: 'declined', payload: { mayRetry: true } });
    }),
  'guest-declined-final': (target) =>
    show(target, (channel, session) => {
      session.join('Mia');
      channel.say({ type: 'declined', payload: { mayRetry: false } });
    }),
  'guest-returning': (target) => show(target, () => {}, { seat: true }),
  'guest-left': (target) =>
    show(target, async (channel, session) => {
      session.join('Mia');
      await tick();
      channel.say({ type: 'admitted', payload: { participant: 'me', seat: 'x' } });
      session.leave();
    }),
  'guest-ended': (target) => show(target, ended('ended')),
  'guest-kicked': (target) => show(target, ended('kicked')),
  'guest-replaced': (target) => show(target, ended('replaced')),
  'guest-moved': (target) => show(target, ended('moved')),
  'guest-timed-out': (target) => show(target, ended('timed-out')),
  'guest-spent': (target) => show(target, state({ phase: 'unavailable', reason: 'spent' })),
  'guest-removed': (target) => show(target, state({ phase: 'unavailable', reason: 'removed' })),
  'guest-new-address': (target) =>
    show(target, (channel) =>
      channel.say({
        type: 'ended',
        payload: { reason: 'removed', cause: 'new-address', host: 'Sam' },
      }),
    ),
  'guest-opens': (target) =>
    show(target, (channel) =>
      channel.say({
        type: 'welcome',
        payload: {
          version: 1,
          linkName: 'Sunday with Grandma',
          hostName: 'Sam',
          opensAt: now + 9_000_000,
          opensIn: 9_000_000,
        },
      }),
    ),
  'guest-malformed': async (target) => {
    mount(Incomplete, { target, props: { missing: 'secret' } });
  },
  'guest-mismatch': (target) => show(target, state({ phase: 'refused', code: 'key-mismatch' })),
  'guest-unavailable': (target) =>
    show(target, (channel, session) => {
      session.hostName = '';
      channel.become({ phase: 'unavailable', reason: 'unknown' });
    }),
  'guest-unusable': async (target) => {
    mount(Unusable, { target });
  },
  'call-alone': inCall(0),
  'call-two': inCall(1),
  'call-three': inCall(2),
  'call-five': inCall(4),
  'call-twelve': inCall(11),
  'call-speaker': inCall(5, (call) => {
    call.view = 'speaker';
  }),
  'call-pinned': inCall(4, (call) => call.pin('Uncle Theo')),
  'call-screen': inCall(4, shares('Grandma')),
  'call-screen-two': inCall(1, shares('Ada')),
  'call-screen-twelve': inCall(11, shares('Grandma')),
  'call-screen-pinned': inCall(4, (call) => {
    shares('Grandma')(call);
    call.pin('Uncle Theo');
  }),
  'call-screen-awaited': inCall(4, shares('Uncle Theo')),
  'call-screen-chat': inCall(3, (call) => {
    shares('Grandma')(call);
    talk(call);
    call.show('chat');
  }),
  'call-screen-own': inCall(3, (call) => {
    call.sharing.share();
  }),
  'call-screen-instead': inCall(3, (call) => {
    shares('Grandma')(call);
    call.sharing.share();
  }),
  'call-chat': inCall(3, (call) => {
    talk(call);
    call.show('chat');
  }),
  'call-files': inCall(3, (call) => {
    talk(call);
    for (const [i, [participant, file]] of files.entries())
      call.receive({
        type: 'chat',
        payload: { line: { id: 20 + i, participant, name: participant, text: '', at: now, file } },
      });
    call.show('chat');
  }),
  'call-asked': inCall(2, (call) =>
    call.receive({ type: 'recording', payload: { on: true, number: 1 } }),
  ),
  'call-recording': inCall(2, (call) =>
    call.receive({ type: 'recording', payload: { on: true, number: 1, answer: 'agreed' } }),
  ),
  'call-chat-empty': inCall(2, (call) => call.show('chat')),
  'call-people': inCall(5, (call) => call.show('people')),
  'call-co-host': inCall(
    3,
    (call) => {
      call.receive({
        type: 'door',
        payload: {
          requests: [
            { id: 'a', name: 'Boris', since: 4000 },
            { id: 'b', name: 'Cleo', since: 4000, timesLetIn: 3, careful: true, away: true },
          ],
          more: 3,
        },
      });
      call.show('people');
    },
    { coHost: true },
    true,
  ),
  'call-move': inCall(2, (call) => {
    call.movable = true;
    setTimeout(() => {
      labelled(m.call_move())?.click();
      setTimeout(
        () =>
          call.receive({
            type: 'pass',
            payload: { token: 'ICEiIyQlJicoKSorLC0uLw', for: 120_000 },
          }),
        150,
      );
    }, 100);
  }),
  'call-away': inCall(3, (call) => {
    talk(call);
    call.receive({
      type: 'joined',
      payload: { participant: { id: 'Uncle Theo', name: 'Uncle Theo', joinedAt: 2, away: true } },
    });
  }),
  'call-details': inCall(3, (call) => {
    call.receive({ type: 'line', payload: { slowDown: true, paused: [] } });
    openDetails();
  }),
  'call-paused': inCall(4, (call) => {
    call.receive({
      type: 'line',
      payload: {
        slowDown: true,
        paused: [
          { participant: 'Grandma', reason: 'line' },
          { participant: 'Ada', reason: 'host' },
        ],
      },
    });
  }),
  'call-lost': inCall(2, (call) => {
    call.connected = false;
  }),
  'call-faults': inCall(2, (_, engine) => {
    engine.faults = ['camera-lost'];
    engine.soundBlocked = true;
    engine.muted = true;
  }),
  'call-hands': inCall(3, (call) => {
    for (const [i, id] of ['Grandma', 'Uncle Theo'].entries())
      call.receive({
        type: 'joined',
        payload: { participant: { id, name: id, joinedAt: i + 1, hand: now + i } },
      });
    for (const reaction of ['heart', 'clap', 'party'])
      call.receive({ type: 'reaction', payload: { participant: 'Ada', reaction } });
    call.show('people');
  }),
  'call-spotlight': inCall(11, (call) =>
    call.receive({ type: 'spotlight', payload: { participant: 'Uncle Theo' } }),
  ),
  'call-view-menu': inCall(3, () => {
    labelled(m.call_more_controls())?.click();
    setTimeout(() => labelled(m.call_view())?.click(), 200);
  }),
  'call-react-menu': inCall(3, () => {
    labelled(m.call_more_controls())?.click();
    setTimeout(() => labelled(m.call_react())?.click(), 200);
  }),
  'call-effects': inCall(2, () => setTimeout(() => labelled(m.call_effects())?.click(), 100)),
  'call-shortcuts': inCall(2, () => setTimeout(() => labelled(m.call_shortcuts())?.click(), 100)),
  'call-devices': inCall(2, () => setTimeout(() => labelled(m.call_devices())?.click(), 100)),
};
