import { describe, expect, it, vi } from 'vitest';
import type { LinkView, Reach, RelayOffer, RelayView, RouterView } from './backend';
import { Fault } from './backend';
import {
  nearbyOnly,
  offerWords,
  reachLine,
  relayReason,
  relayWord,
  retryWords,
  routerLine,
} from './relays';
import { RelayForm } from './relays.svelte';

const offer: RelayOffer = { links: 64, guests: 1920, bytes: 20 * 2 ** 30, turn: true };

const relay = (part: Partial<RelayView> = {}): RelayView => ({
  url: 'https://porch.example',
  name: 'porch.example',
  state: 'connected',
  retryAt: 0,
  offer,
  links: 0,
  ...part,
});

const reach = (part: Partial<Reach> = {}): Reach => ({
  kind: 'network',
  addresses: [
    { url: 'http://localhost:1', reach: 'computer' },
    { url: 'https://192.0.2.7:1', reach: 'network' },
  ],
  relays: [],
  newLinks: '',
  relayOnly: false,
  doors: false,
  who: 'anywhere',
  own: { url: '', name: '', state: '', counted: false },
  router: { on: false, state: 'off', external: '', address: '', by: '', until: 0, pinhole: false },
  funnel: '',
  ...part,
});

describe('the line about reach', () => {
  const through = (part: Partial<RelayView>, more: Partial<Reach> = {}) =>
    reachLine(reach({ relays: [relay(part)], newLinks: 'https://porch.example', ...more }));

  it('is about this place without a relay', () => {
    expect(reachLine(reach())).toBe('Links open on this computer and this network');
    expect(reachLine(reach({ kind: 'computer' }))).toBe('Links open on this computer only');
  });

  it('is about this place when a relay is there, and not chosen', () =>
    expect(reachLine(reach({ relays: [relay()] }))).toBe(
      'Links open on this computer and this network',
    ));

  it.each([
    ['connected', 'Links open anywhere, through porch.example'],
    [
      'connecting',
      'Connecting to porch.example… Until then, links open on this computer and this network',
    ],
    [
      'unreachable',
      'porch.example can’t be reached just now: links open on this computer and this network',
    ],
    [
      'refused',
      'porch.example does not take this app: links open on this computer and this network',
    ],
  ])('tells the truth when the relay is %s', (state, line) =>
    expect(through({ state })).toBe(line),
  );

  const own = (state: string) => ({
    url: 'https://tunnel.example',
    name: 'tunnel.example',
    state,
    counted: true,
  });

  it.each([
    ['works', 'Links open anywhere, through tunnel.example'],
    [
      'checking',
      'Connecting to tunnel.example… Until then, links open on this computer and this network',
    ],
    [
      'fails',
      'tunnel.example can’t be reached just now: links open on this computer and this network',
    ],
  ])('tells the truth when the address from outside %s', (state, line) =>
    expect(reachLine(reach({ own: own(state) }))).toBe(line),
  );

  it('names the way that works', () => {
    expect(through({ state: 'unreachable' }, { own: own('works') })).toContain('tunnel.example');
    expect(through({ state: 'connected' }, { own: own('works') })).toContain('porch.example');
    expect(through({ state: 'unreachable' }, { own: own('fails') })).toContain('porch.example');
  });

  it('promises nothing that the host has closed', () => {
    expect(through({ state: 'connected' }, { who: 'network', own: own('works') })).toBe(
      'Links open on this computer and this network',
    );
    expect(
      through({ state: 'connected' }, { who: 'computer', kind: 'computer', own: own('works') }),
    ).toBe('Links open on this computer only');
  });

  it.each([
    ['open', 'Your router lets calls in', { by: 'PCP' }],
    [
      'open',
      'Your router lets calls in over IPv6. Guests whose network has no IPv6 need a relay or a tunnel',
      { pinhole: true },
    ],
    [
      'no-address',
      'Your router has no internet address of its own: your provider shares one with others (carrier NAT), or a second router stands before it. Links need a relay or a tunnel',
    ],
    ['refused', 'Your router refuses: here is where its setting is'],
    [
      'shared',
      'Your provider shares your address with others (carrier NAT): links need a relay or a tunnel',
    ],
    [
      'two-routers',
      'Two routers stand behind each other: let the outer one pass everything on to the inner one, or use a relay or a tunnel',
    ],
    ['asking', 'Asking your router…'],
  ])('says in one line that the router is %s', (state, line, more: Partial<RouterView> = {}) =>
    expect(routerLine({ ...reach().router, on: true, state, ...more })).toBe(line),
  );

  it('promises no network where Porch listens on this computer only', () =>
    expect(
      through(
        { state: 'unreachable' },
        { addresses: [{ url: 'http://localhost:1', reach: 'computer' }] },
      ),
    ).toBe('porch.example can’t be reached just now: links open on this computer only'));
});

describe('a relay', () => {
  it('has a word for each state', () =>
    expect(['connected', 'connecting', 'unreachable', 'refused', 'removed'].map(relayWord)).toEqual(
      [
        'Connected',
        'Connecting…',
        'Can’t be reached just now',
        'Does not take this app',
        'No longer in your list',
      ],
    ));

  it('says why it is not connected, unless its state does', () => {
    expect(relayReason(relay())).toBe('');
    expect(relayReason(relay({ state: 'unreachable', code: 'relay-unreachable' }))).toBe('');
    expect(relayReason(relay({ state: 'unreachable', code: 'relay-untrusted' }))).toMatch(/clock/);
    expect(relayReason(relay({ state: 'refused', code: 'invitation-wanted' }))).toMatch(/owner/);
    expect(relayReason(relay({ state: 'refused', code: 'host-not-allowed' }))).toMatch(/key/);
    expect(relayReason(relay({ state: 'refused', code: 'of-tomorrow', message: 'Why.' }))).toBe(
      'Why.',
    );
  });

  it('says when it is tried again', () => {
    const away = (retryAt: number) => retryWords(relay({ state: 'unreachable', retryAt }), 0, 'en');
    expect(away(12_001)).toBe('Trying again in 13 seconds.');
    expect(away(90_000)).toBe('Trying again in 2 minutes.');
    expect(away(-1)).toBe('Trying again…');
    expect(retryWords(relay({ retryAt: 12_000 }), 0, 'en')).toBe('');
  });

  it('says what it grants', () => {
    expect(offerWords(offer, 'en')).toEqual([
      'Links: up to 64',
      'Guests at once: up to 1,920',
      'Carries calls where no direct way exists, up to 20 GB a day',
    ]);
    expect(offerWords({ ...offer, bytes: 0 }, 'en')[2]).toBe(
      'Carries calls where no direct way exists',
    );
    expect(offerWords({ links: 0, guests: 0, bytes: 0, turn: false }, 'en')).toEqual([
      'Carries no calls: guests behind strict networks may not get through',
    ]);
  });

  it('brings people to its links only while it is connected', () => {
    const link = (relay: string, relayState: string) =>
      nearbyOnly({ relay, relayState } as LinkView);
    expect(link('', '')).toBe(false);
    expect(link('porch.example', 'connected')).toBe(false);
    expect(link('porch.example', 'unreachable')).toBe(true);
    expect(link('porch.example', 'removed')).toBe(true);
  });
});

describe('the form', () => {
  const make = () => {
    const commands = {
      testRelay: vi.fn(async () => offer),
      addRelay: vi.fn(async () => relay()),
    };
    const onadded = vi.fn();
    return { form: new RelayForm({ commands, onadded }), commands, onadded };
  };

  it('asks nobody while it is empty', async () => {
    const { form, commands } = make();
    form.address = '  ';
    await form.test();
    await form.add();
    expect(commands.testRelay).not.toHaveBeenCalled();
    expect(commands.addRelay).not.toHaveBeenCalled();
  });

  it('shows what a relay offers, until another is typed', async () => {
    const { form, commands } = make();
    form.address = 'porch.example';
    form.invitation = 'word';
    const testing = form.test();
    expect(form.busy).toBe('test');
    await form.test(); // one at a time
    await testing;
    expect(commands.testRelay).toHaveBeenCalledExactlyOnceWith('porch.example', 'word');
    expect(form.busy).toBeUndefined();
    expect(form.offer).toEqual(offer);
    form.address = 'porch.exampl';
    expect(form.offer).toBeUndefined();
  });

  it.each([
    ['relay-is-link', 'addressError'],
    ['relay-address-invalid', 'addressError'],
    ['invitation-refused', 'invitationError'],
    ['relay-unreachable', 'error'],
  ] as const)('says %s where it belongs', async (code, where) => {
    const { form, commands } = make();
    commands.testRelay.mockRejectedValue(new Fault(code, 'fallback'));
    form.address = 'porch.example';
    await form.test();
    const said = { addressError: '', invitationError: '', error: '' };
    for (const key of Object.keys(said) as (keyof typeof said)[]) said[key] = form[key] ?? '';
    expect(Object.entries(said).filter(([, words]) => words !== '')).toEqual([
      [where, expect.stringMatching(/\.$/)],
    ]);
    form.invitation = 'x';
    expect(form[where]).toBeUndefined();
  });

  it('takes no answer to what was typed before', async () => {
    const { form, commands } = make();
    let answer: (offer: RelayOffer) => void = () => {};
    commands.testRelay.mockReturnValueOnce(new Promise((resolve) => (answer = resolve)));
    form.address = 'one.example';
    const first = form.test();
    form.address = 'two.example';
    expect(form.busy).toBeUndefined();
    answer({ ...offer, links: 1 });
    await first;
    expect(form.offer).toBeUndefined();
    await form.test();
    expect(form.offer).toEqual(offer);
  });

  it('is empty again once the relay is added', async () => {
    const { form, onadded, commands } = make();
    form.address = 'porch.example';
    form.invitation = 'word';
    await form.add();
    expect(commands.addRelay).toHaveBeenCalledWith('porch.example', 'word');
    expect(onadded).toHaveBeenCalledWith(relay());
    expect([form.address, form.invitation, form.busy]).toEqual(['', '', undefined]);
  });

  it('keeps what was typed when it could not be added', async () => {
    const { form, onadded, commands } = make();
    commands.addRelay.mockRejectedValue(new Fault('relays-full', ''));
    form.address = 'porch.example';
    await form.add();
    expect(onadded).not.toHaveBeenCalled();
    expect(form.address).toBe('porch.example');
    expect(form.error).toMatch(/full/);
  });
});
