// The host's window over an app that is made up.
import { mount, tick } from 'svelte';
import App from '../../host/App.svelte';
import {
  type Backend,
  type CallRecord,
  type Change,
  type CopyView,
  Fault,
  type LinkView,
  type Reach,
  type RelayView,
  type RequestView,
  type State,
} from '../../host/model/backend';
import { Host } from '../../host/model/host.svelte';
import { nothing } from '../../host/model/state.svelte';
import { link as linkSample, request as requestSample } from '../../host/test/samples';
import { m } from '../../src/i18n';
import { OWN } from '../../src/media/engine';
import { nothing as nothingSent } from '../../src/media/figures';
import { FakeTransport } from '../../src/test/fakeTransport';
import type { Participant } from '../../src/transport';
import { carried, DrawnEngine, face } from './faces';
import { labelled } from './find';
import { openDetails } from './guest';

const now = Date.now();
const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

const id = (letter: string) => letter.repeat(22);
const addresses = (letter: string) => [
  {
    url: `https://192.168.1.23:7674/j/${id(letter)}#pX3vTq81LmN0oZs5RkYw2A`,
    reach: 'network',
  },
  { url: `http://localhost:7674/j/${id(letter)}#pX3vTq81LmN0oZs5RkYw2A`, reach: 'computer' },
];

const link = (letter: string, part: Partial<LinkView>): LinkView =>
  linkSample(id(letter), { createdAt: now - hour, addresses: addresses(letter), ...part });

const copyOf = (letter: string, part: Partial<CopyView>): CopyView => ({
  id: letter,
  name: '',
  once: false,
  createdAt: now - day,
  usedAt: 0,
  browsers: 0,
  addresses: addresses(letter),
  ...part,
});

type MessageView = LinkView['messages'][number];

const message = (id: string, part: Partial<MessageView>): MessageView => ({
  id,
  name: 'Robert',
  kind: 'note',
  type: '',
  seconds: 0,
  at: now - 2 * hour,
  kept: false,
  ...part,
});

const calls: CallRecord[] = [
  {
    began: now - day - hour,
    ended: now - day,
    sent: 310e6,
    received: 122e6,
    visits: [
      { name: 'Clara Wieck', came: now - day - hour, gone: now - day },
      { name: 'Robert', came: now - day - hour + minute, gone: now - day - 20 * minute },
    ],
  },
  {
    began: now - 9 * day,
    ended: now - 9 * day + 4 * minute,
    sent: 12e6,
    received: 8e6,
    visits: [{ name: 'Robert', came: now - 9 * day, gone: now - 9 * day + 4 * minute }],
  },
];

const request = (name: string, part: Partial<RequestView> = {}): RequestView =>
  requestSample(name, {
    linkId: id('B'),
    linkName: 'Sunday with Grandma',
    since: now - 12_000,
    ...part,
  });

const links = [
  link('A', {
    name: 'Book club',
    state: 'live',
    group: 'live',
    inCall: 3,
    createdAt: now - 2 * hour,
    usedAt: now - 20 * minute,
  }),
  link('B', { name: 'Sunday with Grandma', createdAt: now - 3 * hour, waiting: 1 }),
  link('C', { createdAt: now - day }),
  link('D', {
    name: 'Piano lesson',
    createdAt: now - 2 * day,
    visitors: [
      { name: 'Clara Wieck', lastSeen: now - day },
      { name: 'Robert', lastSeen: now - 9 * day },
    ],
    usedAt: now - day,
    ends: 'keep',
    copies: [
      copyOf('a', { name: 'the choir', browsers: 12 }),
      copyOf('b', { name: 'Grandma', once: true, usedAt: now - day, addresses: [], browsers: 1 }),
      copyOf('c', { name: 'Herr Oberstudienrat Wolkenstein-Rodenegg von der Vogelweide' }),
    ],
  }),
  link('E', {
    name: 'Flat viewing, Rosenstraße 12',
    state: 'spent',
    group: 'earlier',
    createdAt: now - 4 * day,
    endedAt: now - 4 * day + hour,
    visitors: [{ name: 'Frau Lindqvist', lastSeen: now - 4 * day }],
  }),
  link('F', {
    state: 'removed',
    group: 'earlier',
    createdAt: now - 8 * day,
    endedAt: now - 8 * day,
  }),
];

const base: State = {
  ...nothing,
  revision: 1,
  me: { name: 'Ada' },
  reach: {
    ...nothing.reach,
    kind: 'network',
    addresses: [
      { url: 'https://192.168.1.23:7674', reach: 'network' },
      { url: 'http://localhost:7674', reach: 'computer' },
    ],
  },
  engines: { native: true, synthetic: false },
};

const qr = (() => {
  let dots = '';
  for (let y = 0; y < 33; y++)
    for (let x = 0; x < 33; x++)
      if ((x * 7 + y * 13 + x * y) % 5 < 2) dots += `M${x + 4} ${y + 4}h1v1h-1z`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 41 41" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h41v41H0z"/><path d="${dots}"/></svg>`;
})();

const relay = (name: string, part: Partial<RelayView> = {}): RelayView => ({
  url: `https://${name}`,
  name,
  state: 'connected',
  retryAt: 0,
  offer: { links: 64, guests: 192, bytes: 20 * 2 ** 30, turn: true },
  links: 3,
  ...part,
});

/** Reach with these relays, new links on the first. */
const through = (relays: RelayView[], part: Partial<Reach> = {}): Reach => ({
  ...base.reach,
  kind: relays[0]?.state === 'connected' ? 'anywhere' : 'network',
  relays,
  newLinks: relays[0]?.url ?? '',
  ...part,
});

const away = relay('porch.example', {
  state: 'unreachable',
  code: 'relay-unreachable',
  retryAt: now + 14_000,
});

/** The links, on a relay. */
const far = (relayState: string) =>
  links.map((link) => ({
    ...link,
    relay: 'porch.example',
    relayState,
    addresses: [
      { url: `https://porch.example/j/${link.id}#pX3vTq81LmN0oZs5RkYw2A`, reach: 'anywhere' },
      ...link.addresses,
    ],
  }));

/** An app that answers every command with "done". */
function madeUp(part: Partial<State>): Backend {
  const answers: Partial<Backend> = {
    snapshot: async () => ({ ...base, ...part }),
    callFigures: async () => ({
      ...carried(['host', 'g', 't', 'm'], 'internet'),
      people: carried(['g', 'host', 't', 'm'], 'internet').people.map((row) =>
        row.id === 'host'
          ? { ...row, way: '', roundTrip: 0, in: nothingSent }
          : { ...row, out: { ...row.out, height: 0 } },
      ),
      uplink: { rate: 4_600_000, height: 360, paused: 1 },
    }),
    linkHistory: async (link) => (link === id('D') ? calls : []),
    invitation: async (_, url) => `Join me on Porch. There is nothing to install.\n${url}`,
    linkQR: async () => qr,
    program: async () => ({
      version: '1.2.3',
      system: 'windows',
      folder: '/home/ada/.config/porch',
      atLogin: false,
      crashed: false,
      updates: true,
      looks: false,
      newer: { version: '', changes: '' },
      refused: '',
    }),
    watchProgram: () => () => {},
    watch: (_: (change: Change) => void) => () => {},
    setTitle: () => {},
    minimised: async () => false,
    setTheme: () => {},
    enterCall: async () => ({ url: '', token: '', engine: 'webview' }),
    testRelay: async (address) => {
      if (address.includes('/j/')) throw new Fault('relay-is-link', '');
      if (address.includes('nobody')) throw new Fault('relay-unreachable', '');
      if (address.includes('club')) throw new Fault('invitation-wanted', '');
      return relay('').offer;
    },
    testOwn: async (address) => {
      if (address.includes('nobody')) throw new Fault('outside-unreachable', '');
      return {
        url: `https://${address}`,
        name: address,
        counted: true,
        from: '203.0.113.7',
      };
    },
    devices: async () => ({
      cameras: [{ id: '0', name: 'FaceTime HD Camera', default: true }],
      microphones: [{ id: '0', name: 'Built-in Microphone', default: true }],
      speakers: [{ id: '0', name: 'Built-in Speakers', default: true }],
    }),
  };
  return new Proxy(answers as Backend, {
    get: (target, key) => target[key as keyof Backend] ?? (async () => ''),
  });
}

/** A socket over which one roster comes. */
function rosterTransport(participants: Participant[]): FakeTransport {
  const chat = [
    ['g', 'Grandma', 'Can everybody see the cake?'],
    ['t', 'Uncle Theo', 'Not yet, a little lower!'],
    ['host', 'Ada', 'Perfect. Mia is on her way.'],
  ] as const;
  const transport = new FakeTransport();
  transport.state = { phase: 'open' };
  transport.connect = () => {
    const lines = chat.map(([participant, name, text], i) => ({
      id: i + 1,
      participant,
      name,
      text,
      at: now - (3 - i) * minute,
    }));
    transport.say({ type: 'roster', payload: { you: 'host', participants, chat: lines } });
    transport.say({ type: 'speaking', payload: { ids: ['g'] } });
  };
  return transport;
}

const pictures = (people: Participant[]) =>
  Object.fromEntries(
    people
      .filter(({ cameraOff }) => !cameraOff)
      .map(({ id }, nth) => [id === 'host' ? OWN : id, face(nth)]),
  );

const person = (id: string, name: string, part: Partial<Participant> = {}): Participant => ({
  id,
  name,
  joinedAt: now - 20 * minute,
  ...part,
});

const family = [
  person('host', 'Ada', { host: true, joinedAt: now - 21 * minute }),
  person('g', 'Grandma'),
  person('t', 'Uncle Theo', { muted: true }),
  person('m', 'Mia', { cameraOff: true }),
];

async function inCall(
  target: HTMLElement,
  part: Partial<State>,
  after: (host: Host) => void = () => {},
  people = family,
): Promise<void> {
  await show(target, { links, ...part }, (host) => host.enter(id('B')), people);
  await tick();
  await new Promise((settled) => setTimeout(settled, 50));
  for (const host of shown) after(host);
  await tick();
}

const shown: Host[] = [];

async function show(
  target: HTMLElement,
  part: Partial<State>,
  after?: (host: Host) => void,
  people: Participant[] = [],
): Promise<void> {
  const host = new Host({
    backend: madeUp(part),
    client: 'gallery',
    ring: () => {},
    prepare: () => {},
    engine: 'webview',
    build: () => ({
      transport: rosterTransport(people),
      engine: new DrawnEngine(pictures(people)),
    }),
    memory: { call: undefined, theme: undefined, language: '' },
    backoff: () => 0,
  });
  shown.push(host);
  mount(App, { target, props: { host } });
  await host.state.sync();
  await tick();
  host.requests.take(part.requests ?? []);
  after?.(host);
  await tick();
}

const press = (name: string) =>
  [...document.querySelectorAll('button')]
    .find((button) => button.textContent?.trim() === name)
    ?.click();

/** Types into a field that a test would find by its name, and presses a button. */
async function fill(name: string, text: string, then?: string): Promise<void> {
  await tick();
  const label = [...document.querySelectorAll('label')].find(
    (label) => label.textContent?.trim() === name,
  );
  const field = label?.htmlFor ? document.getElementById(label.htmlFor) : null;
  if (!(field instanceof HTMLInputElement)) throw new Error(name);
  field.value = text;
  field.dispatchEvent(new Event('input', { bubbles: true }));
  await tick();
  if (then) press(then);
  await tick();
  field.scrollIntoView({ block: 'center' });
}

const reachSheet = (target: HTMLElement, reach: Reach, after: (host: Host) => void = () => {}) =>
  show(target, { links: far(reach.relays[0]?.state ?? ''), reach }, (host) => {
    host.sheet = { kind: 'reach' };
    setTimeout(() => after(host));
  });

const toEnd = () => document.querySelector('dialog .body')?.scrollTo(0, 1e6);

const three = [
  request('Grandma', { known: 'returning', timesLetIn: 4, since: now - 70_000 }),
  request('Uncle Theo', { since: now - 20_000 }),
  request('Mia', { known: 'new-device-known-name', bell: 'asked-to-wait' }),
];

export const scenes: Record<string, (target: HTMLElement) => Promise<void>> = {
  'home-empty': (target) => show(target, {}),
  home: (target) => show(target, { links }),
  'home-knock': (target) =>
    show(target, { links, requests: [request('Grandma', { known: 'returning', timesLetIn: 4 })] }),
  'home-toast': (target) =>
    show(target, { links }, (host) => host.toasts.word(m.host_link_removed())),
  'in-call-details': (target) => inCall(target, {}, () => openDetails()),
  'in-call-lowers': (target) =>
    inCall(target, { requests: [request('Grandma', { lowers: true, lowersTo: 360 })] }),
  'home-knocks': (target) => show(target, { links, requests: three }),
  'home-flood': (target) =>
    show(target, {
      links,
      requests: [
        request('Guest 1', { looksLike: 'Grandma', hint: 'name', copy: 'the choir', browser: 2 }),
        ...['Guest 2', 'Guest 3', 'Guest 4'].map((name) => request(name, { like: 'Guest 1' })),
        request('Grandma', {
          known: 'returning',
          timesLetIn: 4,
          familiar: true,
          canWrite: true,
          seen: true,
          message: true,
          words: [
            { own: true, text: 'One minute, please', at: now - 9000 },
            { own: false, text: 'No hurry', at: now - 4000 },
          ],
        }),
        request('Mia', { nameInCall: true, outside: true }),
      ],
    }),
  'home-recorded': (target) =>
    show(target, {
      links,
      recorded: {
        id: 1,
        name: 'Porch 2026-11-30 18.04.mkv',
        folder: '/home/ada/Videos/Porch',
        seconds: 754,
      },
    }),
  'home-notice': (target) =>
    show(target, { links, notice: { id: 1, code: 'background', message: '' } }),
  share: (target) =>
    show(target, { links }, (host) => (host.sheet = { kind: 'share', link: id('B') })),
  'share-more': (target) =>
    show(target, { links }, (host) => {
      host.sheet = { kind: 'share', link: id('C') };
      setTimeout(() => {
        press(m.host_add_name());
        press(m.host_qr_code());
      });
    }),
  'share-knock': (target) =>
    show(target, { links, requests: [request('Grandma')] }, (host) => {
      host.sheet = { kind: 'share', link: id('B') };
      host.toasts.word('Copied');
    }),
  details: (target) =>
    show(target, { links }, (host) => (host.sheet = { kind: 'details', link: id('D') })),
  'details-messages': (target) =>
    show(
      target,
      {
        links: links.map((link) =>
          link.id === id('D')
            ? {
                ...link,
                messages: [
                  message('s', { kind: 'sound', type: 'audio/webm', seconds: 42 }),
                  message('v', { kind: 'video', type: 'video/webm', seconds: 9, kept: true }),
                  message('n', { kind: 'note', name: 'Clara Wieck' }),
                ],
              }
            : link,
        ),
      },
      (host) => {
        host.sheet = { kind: 'details', link: id('D') };
        setTimeout(toEnd, 100);
      },
    ),
  'details-history': (target) =>
    show(target, { links }, (host) => {
      host.sheet = { kind: 'details', link: id('D') };
      setTimeout(() => press(m.host_history()));
    }),
  'details-times': (target) =>
    show(
      target,
      {
        links: links.map((link) =>
          link.id === id('B')
            ? { ...link, opensAt: now + day, ends: 'at', endsAt: now + 8 * day }
            : link,
        ),
      },
      (host) => {
        host.sheet = { kind: 'details', link: id('B') };
        setTimeout(() => press(m.host_new_copy()));
      },
    ),
  'share-copy': (target) =>
    show(target, { links }, (host) => (host.sheet = { kind: 'share', link: id('D'), copy: 'a' })),
  'share-calendar': (target) =>
    show(target, { links }, (host) => {
      host.sheet = { kind: 'share', link: id('D') };
      setTimeout(() => press(m.host_calendar()));
    }),
  'share-text': (target) =>
    show(target, { links }, (host) => {
      host.sheet = { kind: 'share', link: id('B') };
      setTimeout(() => press(m.host_edit_text()));
    }),
  'home-undo': (target) =>
    show(target, {
      links: links.map((link) =>
        link.id === id('C')
          ? { ...link, removedAt: now + 8000 }
          : link.id === id('B')
            ? { ...link, stale: true, opensAt: now + 2 * day }
            : link,
      ),
    }),
  'details-spent': (target) =>
    show(target, { links }, (host) => (host.sheet = { kind: 'details', link: id('E') })),
  remove: (target) =>
    show(target, { links }, (host) => {
      host.sheet = { kind: 'details', link: id('D') };
      setTimeout(() => press(m.host_remove_link()));
    }),
  reach: (target) => show(target, { links }, (host) => (host.sheet = { kind: 'reach' })),
  'reach-test': (target) =>
    show(target, { links }, (host) => {
      host.sheet = { kind: 'reach' };
      setTimeout(() => fill(m.host_relay_address(), 'porch.example', m.host_relay_test()));
    }),
  'reach-link': (target) =>
    show(target, { links }, (host) => {
      host.sheet = { kind: 'reach' };
      setTimeout(() =>
        fill(
          m.host_relay_address(),
          `https://porch.example/j/${id('A')}#pX3vTq81LmN0oZs5RkYw2A`,
          m.host_relay_test(),
        ),
      );
    }),
  'reach-invitation': (target) =>
    show(target, { links }, (host) => {
      host.sheet = { kind: 'reach' };
      setTimeout(() => fill(m.host_relay_address(), 'club.example', m.host_relay_test()));
    }),
  'reach-nobody': (target) =>
    show(target, { links }, (host) => {
      host.sheet = { kind: 'reach' };
      setTimeout(() => fill(m.host_relay_address(), 'nobody.example', m.host_relay_test()));
    }),
  'reach-own-test': (target) =>
    show(target, { links }, (host) => {
      host.sheet = { kind: 'reach' };
      setTimeout(() => fill(m.host_own(), 'porch.example', m.host_own_test()));
    }),
  'reach-own': (target) =>
    reachSheet(
      target,
      {
        ...base.reach,
        kind: 'anywhere',
        own: {
          url: 'https://porch.tail1234.ts.net',
          name: 'porch.tail1234.ts.net',
          state: 'works',
          counted: true,
        },
        router: { ...base.reach.router, on: true, state: 'shared', address: '192.168.1.1' },
        funnel: 'on',
      },
      toEnd,
    ),
  'reach-own-fails': (target) =>
    reachSheet(
      target,
      {
        ...base.reach,
        own: {
          url: 'https://porch.example',
          name: 'porch.example',
          state: 'fails',
          code: 'outside-host',
          counted: false,
        },
        router: { ...base.reach.router, on: true, state: 'refused', address: '192.168.1.1' },
        funnel: 'off',
      },
      toEnd,
    ),
  'reach-network': (target) => reachSheet(target, { ...base.reach, who: 'network' }),
  'reach-relay': (target) => reachSheet(target, through([relay('porch.example')])),
  'reach-relay-end': (target) => reachSheet(target, through([relay('porch.example')]), toEnd),
  'reach-away': (target) => reachSheet(target, through([away])),
  'reach-refused': (target) =>
    reachSheet(
      target,
      through([
        relay('club.example', { state: 'refused', code: 'invitation-refused' }),
        relay('office.example', {
          state: 'refused',
          code: 'host-not-allowed',
          hostKey: '3ZkYw2ApX3vTq81LmN0oZs5Rk9Yw2ApX3vTq81LmN0o',
          links: 0,
        }),
      ]),
      toEnd,
    ),
  'reach-several': (target) =>
    reachSheet(
      target,
      through(
        [
          relay('porch.example', { offer: { links: 3, guests: 8, bytes: 0, turn: false } }),
          relay('a-very-long-name-of-a-relay.department-of-everything.university.example:8443', {
            state: 'connecting',
            offer: { links: 0, guests: 0, bytes: 0, turn: false },
            links: 0,
          }),
          relay('old.example', {
            state: 'unreachable',
            code: 'relay-untrusted',
            retryAt: now + 400_000,
          }),
        ],
        { relayOnly: true },
      ),
      toEnd,
    ),
  'reach-remove': (target) =>
    reachSheet(target, through([relay('porch.example')]), () =>
      labelled(m.host_relay_remove_name({ relay: 'porch.example' }))?.click(),
    ),
  'home-anywhere': (target) =>
    show(target, { links: far('connected'), reach: through([relay('porch.example')]) }),
  'home-away': (target) => show(target, { links: far('unreachable'), reach: through([away]) }),
  'share-anywhere': (target) =>
    show(
      target,
      { links: far('connected'), reach: through([relay('porch.example')]) },
      (host) => (host.sheet = { kind: 'share', link: id('B') }),
    ),
  'share-away': (target) =>
    show(
      target,
      { links: far('unreachable'), reach: through([away]) },
      (host) => (host.sheet = { kind: 'share', link: id('B') }),
    ),
  'details-relay': (target) =>
    show(
      target,
      { links: far('connected'), reach: through([relay('porch.example')]) },
      (host) => (host.sheet = { kind: 'details', link: id('D') }),
    ),
  settings: (target) => show(target, { links }, (host) => (host.sheet = { kind: 'settings' })),
  'settings-end': (target) =>
    show(target, { links }, (host) => {
      host.sheet = { kind: 'settings' };
      setTimeout(toEnd);
    }),
  data: (target) => show(target, { links }, (host) => (host.sheet = { kind: 'data' })),
  'data-erase': (target) =>
    show(target, { links }, (host) => {
      host.sheet = { kind: 'data' };
      setTimeout(() => press(m.host_erase()));
    }),
  about: (target) => show(target, { links }, (host) => (host.sheet = { kind: 'about' })),
  'first-run': (target) => show(target, { settings: { ...nothing.settings, welcomed: false } }),
  'program-notes': (target) =>
    show(target, { links }, (host) => {
      const { now } = host.program;
      host.program.now = now && {
        ...now,
        crashed: true,
        newer: { version: '1.3.0', changes: 'Ten languages.\nOpen at login.' },
      };
    }),
  fault: (target) =>
    show(target, { links }, (host) => host.toasts.fault(m.host_fault_opener_unavailable())),
  'call-two': (target) => inCall(target, {}, undefined, family.slice(0, 2)),
  call: (target) => inCall(target, {}),
  'call-alone': (target) => inCall(target, {}, undefined, family.slice(0, 1)),
  'call-knock': (target) =>
    inCall(target, { requests: [request('Cousin Ben', { since: now - 4000 })] }),
  'call-people': (target) =>
    inCall(target, { requests: three.slice(1) }, (host) => host.presence?.call?.show('people')),
  'call-chat': (target) => inCall(target, {}, (host) => host.presence?.call?.show('chat')),
  'call-chat-knock': (target) =>
    inCall(target, { requests: three.slice(1) }, (host) => host.presence?.call?.show('chat')),
  'call-recorded': (target) =>
    inCall(target, {
      calls: [
        {
          linkId: id('B'),
          name: 'Sunday with Grandma',
          hostIn: true,
          engine: 'webview',
          participants: [],
          recording: {
            startedAt: now - 754_000,
            people: [
              { id: 'host', name: 'Ada', state: 'agreed' },
              { id: 'g', name: 'Grandma', state: 'declined' },
              { id: 't', name: 'Uncle Theo', state: 'asked' },
              { id: 'm', name: 'Mia', state: 'old' },
            ],
          },
        },
      ],
    }),
  'call-share': (target) =>
    inCall(target, {}, (host) => (host.sheet = { kind: 'share', link: id('B') })),
  'call-leave': (target) => inCall(target, {}, () => labelled(m.call_leave())?.click()),
  'call-remove': (target) =>
    inCall(target, {}, (host) => {
      host.presence?.call?.show('people');
      setTimeout(() => {
        labelled(m.call_more({ name: 'Mia' }))?.click();
        setTimeout(() => document.querySelectorAll<HTMLElement>('[role=menuitem]').item(1).click());
      });
    }),
};
