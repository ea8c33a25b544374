// For addresses that are not as they were sent: loaded when there is one.
import { mount } from 'svelte';
import type { LinkAddress } from '$src/transport';
import { findAddress } from '$src/transport/findAddress';
import Incomplete from './Incomplete.svelte';
import { takePass } from './moved';

/**
 * Puts an address right that came through mail scanners, chats or hands, and goes on with it; the secret leaves the path
 * at once, if that is where it came. What is really missing is said.
 */
export function arrive(target: HTMLElement, begin: (link: LinkAddress) => void): void {
  const { id, secret } = findAddress(location.href);
  if (id && secret) {
    takePass(id);
    history.replaceState(null, '', `/j/${id}#${secret}`);
    begin({ id, secret });
    return;
  }
  // Whoever puts the missing part behind the "#" gets no new page from the browser.
  addEventListener('hashchange', () => location.reload());
  mount(Incomplete, { target, props: { missing: id ? 'secret' : secret ? 'id' : 'both' } });
}
