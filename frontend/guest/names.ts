import { m } from '$src/i18n';
import type { Session } from './session.svelte';

/** The link's name, or what a link without one is called. */
export const linkOf = (session: Session): string => session.linkName || m.guest_link_unnamed();

/** That the host can't be reached, by name where it is known. */
export const unreachableOf = ({ hostName, reach }: Session): string => {
  if (reach.phase === 'connecting' && reach.tooFast) return m.guest_too_fast();
  return hostName ? m.guest_unreachable({ host: hostName }) : m.guest_unreachable_unnamed();
};
