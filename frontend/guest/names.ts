import { m } from '$src/i18n';
import type { Session } from './session.svelte';

/** The link's name, or what a link without one is called. */
export const linkOf = (session: Session): string => session.linkName || m.guest_link_unnamed();

/** The host's name, or the word for it while it is not known. */
export const hostOf = (session: Session): string => session.hostName || m.guest_host_unnamed();
