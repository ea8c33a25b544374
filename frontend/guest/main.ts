import { GuestTransport, type LinkAddress, parseLocation } from '$src/transport';
import { language } from './language.svelte';
import { memory } from './memory';
import { start, target } from './start';

const begin = (link: LinkAddress) => start((resumable) => new GuestTransport({ link, resumable }));

// Not awaited here: a chunk that waits has to be apart from all that others share with it.
void language.begin(memory).then(() => {
  const link = parseLocation(location.pathname, location.hash);
  if (link) begin(link);
  else
    void language
      .later(() => import('./pages/transit'))
      .then(({ arrive }) => arrive(target, begin));
});
