// For tests and the gallery: parts of the app's state, of which a test names only what matters to it.
import type { LinkView, RequestView } from '../model/backend';

/** An open link without a name, made at the beginning of 1970, that nobody has used. */
export const link = (id: string, part: Partial<LinkView> = {}): LinkView => ({
  id,
  name: '',
  state: 'open',
  group: 'upcoming',
  createdAt: 0,
  usedAt: 0,
  endedAt: 0,
  waiting: 0,
  inCall: 0,
  hostInCall: false,
  relay: '',
  relayState: '',
  relayCode: '',
  door: '',
  addresses: [],
  visitors: [],
  copies: [],
  silenced: false,
  locked: false,
  ...part,
});

/** The first knock of a guest, at link A, whose name is the id. */
export const request = (id: string, part: Partial<RequestView> = {}): RequestView => ({
  id,
  linkId: 'A',
  linkName: 'Book club',
  name: id,
  shown: id,
  since: 0,
  known: 'first',
  timesLetIn: 0,
  nameInCall: false,
  bell: 'rung',
  bellAt: 0,
  rings: 1,
  seen: false,
  familiar: false,
  canWrite: false,
  words: [],
  waitUntil: 0,
  outside: false,
  away: false,
  lowers: false,
  lowersTo: 0,
  ...part,
});
