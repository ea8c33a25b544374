import { getLocale, m } from '$src/i18n';
import { isolated } from '$src/ui/names';
import type { AddressView, LinkView } from './backend';
import { throughSentence } from './relays';

/** The groups of the home screen, in their order. */
const groups = ['live', 'upcoming', 'earlier'] as const;
export type Group = (typeof groups)[number];

/** A link's name, or what one without a name is called. */
export const linkName = (name: string): string => isolated(name) || m.host_porch_call();

export function groupName(group: Group): string {
  switch (group) {
    case 'live':
      return m.host_group_live();
    case 'upcoming':
      return m.host_group_upcoming();
    case 'earlier':
      return m.host_group_earlier();
  }
}

/** A link in the list; heading is set on the first of its group. */
export interface Row {
  link: LinkView;
  heading?: Group;
  last: boolean;
}

/** How a group is sorted: the newest first, by name, or the one used last first. */
export type Order = 'new' | 'name' | 'used';

const orders: Record<Order, (one: LinkView, other: LinkView) => number> = {
  new: (one, other) => other.createdAt - one.createdAt,
  name: (one, other) =>
    linkName(one.name).localeCompare(linkName(other.name), getLocale(), { numeric: true }) ||
    other.createdAt - one.createdAt,
  used: (one, other) => other.usedAt - one.usedAt || other.createdAt - one.createdAt,
};

/** The links in whose names, copies or guests every word of the query is, whatever its accents and case. */
export function found(links: LinkView[], query: string): LinkView[] {
  const words = plain(query).split(' ').filter(Boolean);
  if (words.length === 0) return links;
  return links.filter((link) => {
    const names = [linkName(link.name), ...[...link.copies, ...link.visitors].map((of) => of.name)];
    const text = plain(names.join(' '));
    return words.every((word) => text.includes(word));
  });
}

const plain = (text: string): string =>
  text.normalize('NFKD').replace(/\p{M}/gu, '').toLocaleLowerCase().replace(/\s+/g, ' ').trim();

/** The list as it is drawn: grouped and sorted, of the earlier ones at most `earlier`. */
export function rows(links: LinkView[], earlier: number, order: Order = 'new'): Row[] {
  return groups.flatMap((group) => {
    const all = links.filter((link) => link.group === group).sort(orders[order]);
    const shown = group === 'earlier' ? all.slice(0, earlier) : all;
    return shown.map((link, at) => ({
      link,
      heading: at === 0 ? group : undefined,
      last: at === shown.length - 1,
    }));
  });
}

/** Whether nobody will ever open the link again. */
export const isOver = (link: LinkView): boolean => link.state !== 'open' && link.state !== 'live';

/** Whether the link can be used: it is neither over nor being removed. */
export const canOpen = (link: LinkView): boolean => !isOver(link) && !link.removedAt;

/** A link's state in a word or two. */
export function stateWord(link: LinkView): string {
  if (link.removedAt) return m.host_state_removing();
  if (link.state === 'removed') return m.host_state_removed();
  if (link.state === 'spent') return m.host_state_spent();
  if (link.inCall > 0) return m.host_state_in_call({ count: link.inCall });
  return m.host_state_open();
}

/** Which address to offer, and what to call it when there are several of its reach. */
export interface AddressChoice {
  address: AddressView;
  label: string;
}

export function addressChoices(addresses: AddressView[]): AddressChoice[] {
  return addresses.map((address) => {
    if (address.door) return { address, label: m.host_door_label() };
    if (address.tunnel)
      return { address, label: m.host_reach_tunnel_label({ name: address.tunnel }) };
    const alike =
      addresses.filter((other) => other.reach === address.reach && !other.tunnel && !other.door)
        .length > 1;
    const label = reachLabel(address.reach);
    return { address, label: alike ? `${label} · ${hostOf(address.url)}` : label };
  });
}

function reachLabel(reach: string): string {
  if (reach === 'computer') return m.host_reach_computer_label();
  if (reach === 'network') return m.host_reach_network_label();
  return m.host_reach_anywhere_label();
}

/** The truth about one address of a link: who can open it, and what they will meet. */
export function reachSentence({ reach, tunnel, door }: AddressView, link: LinkView): string {
  if (door) return m.host_door_hint();
  if (reach === 'computer') return m.host_reach_computer_sentence();
  if (tunnel) return m.host_reach_tunnel_sentence({ name: tunnel });
  if (reach === 'network') return m.host_reach_network_sentence();
  return throughSentence(link);
}

/** The host part of an address, which is all of it that may be read out. */
export function hostOf(url: string): string {
  try {
    return new URL(url).hostname;
  } catch {
    return '';
  }
}
