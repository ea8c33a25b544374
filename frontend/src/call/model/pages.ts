/** How many tiles a page of the grid has, and the band beside a large picture. */
const grid = 9;
const band = 6;

/** What of a list is on the screen. */
export interface Paged<T> {
  shown: readonly T[];
  /** From 0; and how many there are. */
  page: number;
  pages: number;
}

/**
 * One page of the people. Whoever is in front is on every page, and the others follow in their order. What is on other pages
 * is neither drawn nor sent.
 */
export function paged<T extends { id: string }>(
  people: readonly T[],
  { page, front, large }: { page: number; front?: string; large: boolean },
): Paged<T> {
  const first = large ? people.filter(({ id }) => id === front) : [];
  const rest = people.filter((one) => !first.includes(one));
  const room = large ? band : grid;
  // A page with a single tile is worse than one with a tile more.
  const pages = rest.length <= room + (large ? 1 : 0) ? 1 : Math.ceil(rest.length / room);
  const at = Math.min(Math.max(0, page), pages - 1);
  const shown = pages === 1 ? rest : rest.slice(at * room, (at + 1) * room);
  return { shown: [...first, ...shown], page: at, pages };
}
