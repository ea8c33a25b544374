// The static page of direct links: any web space serves it, and the host's own computer does all else.
import { mount } from 'svelte';
import { GuestTransport } from '$src/transport';
import { findDoor } from '$src/transport/door/address';
import { DoorSocket } from '$src/transport/door/socket';
import { language } from './language.svelte';
import { memory } from './memory';
import { start, target } from './start';

void language.begin(memory).then(async () => {
  const door = findDoor(location.href);
  if (door) {
    if (location.hash.includes('~'))
      await import('./pages/moved').then(({ takePass }) => takePass(door.id));
    let opened = false;
    const openSocket = () =>
      new DoorSocket(door, (answered) => {
        opened ||= answered;
        // No way of the door leads to the host from here: perhaps the link's relay does.
        if (!opened && door.next && navigator.onLine)
          location.replace(`https://${door.next}/j/${door.id}#${door.secret}`);
      });
    start((resumable) => new GuestTransport({ link: door, resumable, openSocket }), true);
    return;
  }
  // Whoever puts the missing part behind the "#" gets no new page from the browser.
  addEventListener('hashchange', () => location.reload());
  const missing = /#(%23)?d[2-9]\./.test(location.href) ? 'version' : 'both';
  void language
    .later(() => import('./pages/Incomplete.svelte'))
    .then(({ default: Incomplete }) => mount(Incomplete, { target, props: { missing } }));
});
