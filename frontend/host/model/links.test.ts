import { describe, expect, it } from 'vitest';
import { link } from '../test/samples';
import type { CopyView } from './backend';
import {
  addressChoices,
  canOpen,
  found,
  hostOf,
  type Order,
  reachSentence,
  rows,
  stateWord,
} from './links';

const copyOf = (name: string): CopyView => ({
  id: name,
  name,
  once: false,
  createdAt: 0,
  usedAt: 0,
  browsers: 0,
  addresses: [],
});

describe('the list of links', () => {
  it('is grouped, and newest first in each group', () => {
    const list = [
      link('old', { createdAt: 1 }),
      link('over', { group: 'earlier', createdAt: 9 }),
      link('live', { group: 'live', createdAt: 2 }),
      link('new', { createdAt: 3 }),
    ];
    expect(rows(list, 8).map(({ link, heading, last }) => [link.id, heading, last])).toEqual([
      ['live', 'live', true],
      ['new', 'upcoming', false],
      ['old', undefined, true],
      ['over', 'earlier', true],
    ]);
  });

  it('shows only so many earlier ones', () => {
    const list = [1, 2, 3].map((at) => link(`${at}`, { group: 'earlier', createdAt: at }));
    expect(rows(list, 2).map(({ link, last }) => [link.id, last])).toEqual([
      ['3', false],
      ['2', true],
    ]);
  });

  it('is sorted in its groups', () => {
    const list = [
      link('new', { name: 'Zoë', createdAt: 9 }),
      link('used', { name: 'ämter 10', createdAt: 1, usedAt: 8 }),
      link('plain', { name: 'Ämter 9', createdAt: 5 }),
    ];
    const ids = (order: Order) => rows(list, 8, order).map(({ link }) => link.id);
    expect(ids('new')).toEqual(['new', 'plain', 'used']);
    expect(ids('name')).toEqual(['plain', 'used', 'new']);
    expect(ids('used')).toEqual(['used', 'new', 'plain']);
  });

  it('is searched by names, whatever their accents and case', () => {
    const list = [
      link('a', { name: 'Büchers Klub' }),
      link('b', { visitors: [{ name: 'Ångström', lastSeen: 0 }] }),
      link('c', { name: '家族', copies: [copyOf('the Choir')] }),
    ];
    const ids = (query: string) => found(list, query).map(({ id }) => id);
    expect(ids('')).toEqual(['a', 'b', 'c']);
    expect(ids(' bucher')).toEqual(['a']);
    expect(ids('KLUB buch')).toEqual(['a']);
    expect(ids('angs')).toEqual(['b']);
    expect(ids('choir 家')).toEqual(['c']);
    expect(ids('porch')).toEqual(['b']);
    expect(ids('nobody')).toEqual([]);
  });

  it('is empty without links', () => expect(rows([], 8)).toEqual([]));
});

describe('a link', () => {
  it.each([
    [{ state: 'open' }, 'Open', true],
    [{ state: 'live', inCall: 1 }, '1 in the call', true],
    [{ state: 'live', inCall: 3 }, '3 in the call', true],
    [{ state: 'live', inCall: 0 }, 'Open', true], // after a restart nobody is in it
    [{ state: 'open', removedAt: 1 }, 'Being removed', false],
    [{ state: 'spent' }, 'Ended', false],
    [{ state: 'removed' }, 'Removed', false],
  ])('%j reads “%s”', (part, word, open) => {
    expect(stateWord(link('L', part))).toBe(word);
    expect(canOpen(link('L', part))).toBe(open);
  });
});

describe('its addresses', () => {
  it('are called by who can open them', () => {
    const choices = addressChoices([
      { url: 'https://192.168.1.2:1/j/x#y', reach: 'network' },
      { url: 'http://localhost:1/j/x#y', reach: 'computer' },
    ]);
    expect(choices.map(({ label }) => label)).toEqual(['This network', 'This computer']);
  });

  it('have their machine’s address where several are alike', () => {
    const choices = addressChoices([
      { url: 'https://192.168.1.2:1/j/x#y', reach: 'network' },
      { url: 'https://[fd00::1]:1/j/x#y', reach: 'network' },
    ]);
    expect(choices.map(({ label }) => label)).toEqual([
      'This network · 192.168.1.2',
      'This network · [fd00::1]',
    ]);
  });

  it('have the name of the tunnel that leads there', () => {
    const choices = addressChoices([
      { url: 'https://192.168.1.2:1/j/x#y', reach: 'network' },
      { url: 'https://10.8.0.2:1/j/x#y', reach: 'network', tunnel: 'wg0' },
      { url: 'https://100.64.0.2:1/j/x#y', reach: 'network', tunnel: 'tailscale0' },
    ]);
    expect(choices.map(({ label }) => label)).toEqual([
      'This network',
      'Network wg0',
      'Network tailscale0',
    ]);
    expect(reachSentence(choices[1]!.address, link('L'))).toContain('wg0');
  });

  it('never show more of a broken one', () => expect(hostOf('nonsense')).toBe(''));
});
