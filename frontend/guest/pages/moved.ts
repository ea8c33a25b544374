// For addresses with which another device has given its seat: loaded when there is one.
import { write } from '$src/ui/storage';
import { memory } from '../memory';

/**
 * Takes the pass out of the page's address, and keeps it as this tab's seat. What was off on the other device is off here
 * too; an address turns nothing on. A browser that keeps nothing knocks.
 */
export function takePass(id: string): void {
  const [part, token, off = ''] = /~([\w-]{22})(?:~([mc]{1,2}))?$/.exec(location.hash) ?? [];
  if (!part || !token) return;
  history.replaceState(null, '', location.href.slice(0, -part.length));
  write(() => sessionStorage, `porch.seat.${id}`, token);
  const { muted, cameraOff } = memory.switches;
  memory.switches = {
    muted: muted || off.includes('m'),
    cameraOff: cameraOff || off.includes('c'),
  };
}
