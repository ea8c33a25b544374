// What a co-host sees and does: fetched when the host has named one.
import type { Call, Person } from '$src/call/model/call.svelte';
import { m } from '$src/i18n';
import { micOff, userX } from '$src/ui/icons';
import type { MenuItem } from '$src/ui/Menu.svelte';

export { default as Requests } from './Requests.svelte';

/** What a co-host can do about a person: nothing about the host, and no removing of another co-host. */
export function personMenu(call: Call, person: Person): MenuItem[] {
  if (person.host || person.own) return [];
  const { name, id } = person;
  const mute = {
    label: m.call_mute_person({ name }),
    icon: micOff,
    run: () => call.act('mute', id),
  };
  const remove = {
    label: m.call_remove_person({ name }),
    icon: userX,
    danger: true,
    run: () => call.act('remove', id),
  };
  return [...(person.muted ? [] : [mute]), ...(person.coHost ? [] : [remove])];
}
