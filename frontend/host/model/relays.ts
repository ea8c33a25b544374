import { m } from '$src/i18n';
import type { LinkView, Reach, RelayOffer, RelayView, RouterView } from './backend';
import { sentence } from './faults';

/** The relay on which new links are made. */
export const chosenRelay = (reach: Reach): RelayView | undefined =>
  reach.relays.find((relay) => relay.url === reach.newLinks);

const nearby = (reach: Reach): string =>
  reach.addresses.some((address) => address.reach === 'network')
    ? m.host_reach_where_network()
    : m.host_reach_where_computer();

/** The truth about the address from outside, in one line. */
function ownLine(reach: Reach): string {
  const words = { relay: reach.own.name, where: nearby(reach) };
  switch (reach.own.state) {
    case 'works':
      return m.host_reach_anywhere(words);
    case 'checking':
      return m.host_reach_connecting(words);
    default:
      return m.host_reach_away(words);
  }
}

/** The truth about reach, in one line. */
export function reachLine(reach: Reach): string {
  const relay = chosenRelay(reach);
  const own = reach.own.url !== '';
  if (reach.who !== 'anywhere' || (!relay && !own)) {
    return reach.kind === 'network' ? m.host_reach_network() : m.host_reach_computer();
  }
  // The better way that works; the relay if none does.
  if (!relay || (own && reach.own.state === 'works' && relay.state !== 'connected'))
    return ownLine(reach);
  const words = { relay: relay.name, where: nearby(reach) };
  switch (relay.state) {
    case 'connected':
      return m.host_reach_anywhere(words);
    case 'connecting':
      return m.host_reach_connecting(words);
    case 'refused':
      return m.host_reach_refused(words);
    default:
      return m.host_reach_away(words);
  }
}

/** What the router says, in one line of truth. */
export function routerLine({ state, pinhole, by }: RouterView): string {
  if (pinhole && !by) return m.host_router_six(); // IPv4 is not open
  switch (state) {
    case 'open':
      return m.host_router_open();
    case 'refused':
      return m.host_router_refused();
    case 'shared':
      return m.host_router_shared();
    case 'no-address':
      return m.host_router_none();
    case 'two-routers':
      return m.host_router_two();
    case 'silent':
      return m.host_router_silent();
    default:
      return m.host_router_asking();
  }
}

/** A relay's state in a few words. */
export function relayWord(state: string): string {
  switch (state) {
    case 'connected':
      return m.host_relay_connected();
    case 'connecting':
      return m.host_relay_connecting();
    case 'refused':
      return m.host_relay_refused();
    case 'removed':
      return m.host_relay_gone();
    default:
      return m.host_relay_unreachable();
  }
}

/** Why a relay is not connected, and what to do; "" when its state says it all. */
export function relayReason(relay: RelayView): string {
  if (!relay.code || (relay.state === 'unreachable' && relay.code === 'relay-unreachable'))
    return '';
  // Here it is added already, and the key is shown.
  if (relay.code === 'host-not-allowed') return m.host_relay_give_key();
  return sentence(relay.code, relay.message ?? '');
}

/** When a relay is tried again; "" unless it is. */
export function retryWords(relay: RelayView, now: number, locale: string): string {
  if (relay.state !== 'unreachable') return '';
  const seconds = Math.ceil((relay.retryAt - now) / 1000);
  if (seconds <= 0) return m.host_relay_retrying();
  const [amount, unit] = seconds < 60 ? [seconds, 'second'] : [Math.ceil(seconds / 60), 'minute'];
  const format = new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay: 'long' });
  return m.host_relay_retry_in({ time: format.format(amount) });
}

/** What a relay grants, in plain words. */
export function offerWords(offer: RelayOffer, locale: string): string[] {
  const number = new Intl.NumberFormat(locale);
  const words = [];
  if (offer.links > 0) words.push(m.host_relay_offer_links({ count: number.format(offer.links) }));
  if (offer.guests > 0)
    words.push(m.host_relay_offer_guests({ count: number.format(offer.guests) }));
  if (!offer.turn) words.push(m.host_relay_offer_no_turn());
  else if (offer.bytes > 0)
    words.push(m.host_relay_offer_turn({ amount: gigabytes(offer.bytes, locale) }));
  else words.push(m.host_relay_offer_turn_free());
  return words;
}

function gigabytes(bytes: number, locale: string): string {
  return new Intl.NumberFormat(locale, {
    style: 'unit',
    unit: 'gigabyte',
    maximumSignificantDigits: 2,
  }).format(bytes / 2 ** 30);
}

/** Whether a relay has ever said what it grants. */
export const hasOffer = (offer: RelayOffer): boolean => offer.links > 0 || offer.guests > 0;

/** Whether an open link's relay does not bring anybody to it just now. */
export const nearbyOnly = (link: LinkView): boolean =>
  link.relay !== '' && link.relayState !== 'connected';

/** The truth about the address of a link at its relay. */
export function throughSentence({ relay, relayState, relayCode }: LinkView): string {
  switch (relayState) {
    case 'connected':
      return m.host_reach_through({ relay });
    case 'connecting':
      return m.host_reach_through_connecting({ relay });
    case 'refused':
      return m.host_reach_through_refused({ relay, why: sentence(relayCode, '') });
    default:
      return m.host_reach_through_away({ relay });
  }
}
