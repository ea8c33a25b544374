import { m } from '$src/i18n';
import type { Person } from './call.svelte';

/** Why one's own sound and picture don't get through, and what helps; undefined when they do. */
export function ownNoMedia(me: Person | undefined): string | undefined {
  if (!me?.noMedia) return undefined;
  switch (me.noMedia) {
    case 'udp-unavailable':
      return me.host ? m.call_no_media_here() : m.call_no_media_there();
    case 'turn-unavailable':
      return m.call_no_media_relay();
    default:
      return me.host ? m.call_no_media_window() : m.call_no_media_browser();
  }
}

/** What there is to say of another person whose sound and picture don't get through; undefined when they do. */
export function theirNoMedia({ own, noMedia, name }: Person): string | undefined {
  if (own || !noMedia) return undefined;
  return noMedia === 'media-blocked' ? m.call_no_media_of({ name }) : m.call_no_media();
}
