import type { Kind, Slot } from '$src/transport';

/**
 * Who is carried by which track: slots name media sections by their mid, byMid
 * has the tracks of the sections that exist so far. A slot whose section is
 * yet to come is left out. Of two slots for one participant and kind, the
 * first counts.
 */
export function assign<Track>(
  slots: readonly Slot[],
  byMid: ReadonlyMap<string, Track>,
): Map<string, Partial<Record<Kind, Track>>> {
  const assigned = new Map<string, Partial<Record<Kind, Track>>>();
  for (const { mid, participant, kind } of slots) {
    const track = byMid.get(mid);
    if (track === undefined) continue;
    const own = assigned.get(participant) ?? {};
    own[kind] ??= track;
    assigned.set(participant, own);
  }
  return assigned;
}
