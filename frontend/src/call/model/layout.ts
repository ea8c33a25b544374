import { arrange, type Box } from './grid';

/** A tile to be laid out. */
export interface Item {
  id: string;
  own: boolean;
  /** Width over height of the picture; undefined while there is none. */
  ratio: number | undefined;
}

/** Where a tile lies; a floating one lies over the others, in a corner. */
export interface Placed extends Box {
  id: string;
  floating: boolean;
}

export interface Stage {
  width: number;
  height: number;
  view: 'grid' | 'speaker';
  /** Id of who has the stage in the speaker view. */
  front: string | undefined;
  /** Id of who was put on the stage. */
  pinned?: string;
  /** In which corner the own tile floats; without it, where telephones have it. */
  corner?: Corner;
  /** A screen that is shared, with its tile's id. */
  screen?: { id: string; ratio: number | undefined };
}

/** A corner of the stage. */
export interface Corner {
  right: boolean;
  bottom: boolean;
}

/** Where the own tile floats if nobody has put it elsewhere. */
export const ownCorner = (width: number): Corner => ({ right: true, bottom: width >= 600 });

const gap = 8;
/** What the buttons in the upper corner of a wide stage lie over. */
const headroom = 56;
/** Of a tile without a picture. */
const plain = 16 / 9;

/**
 * Lays everybody out. In a call of two, the other has the whole stage and the
 * own tile floats in a corner, as people know it from the telephone.
 */
export function layOut(items: readonly Item[], stage: Stage): Placed[] {
  const { width, height, view } = stage;
  if (stage.screen) return present(stage.screen, items, stage);
  const others = items.filter((item) => !item.own);
  const own = items.find((item) => item.own);
  if (own && others.length === 1 && (view === 'grid' || stage.front === others[0]!.id)) {
    return [...fill(others, width, height), corner(own, stage)];
  }
  const front = items.find((item) => item.id === stage.front);
  if (view === 'grid' || !front || items.length < 3) return fill(items, width, height);
  return spotlight(front, items, width, height);
}

function fill(items: readonly Item[], width: number, height: number, x = 0, y = 0): Placed[] {
  const ratios = items.map((item) => item.ratio ?? plain);
  return arrange(ratios, width, height, gap).map((box, at) => ({
    ...box,
    x: box.x + x,
    y: box.y + y,
    id: items[at]!.id,
    floating: false,
  }));
}

/**
 * A shared screen as large as it can be, in its own shape, and the people in a band: beside it on a wide stage, below it on
 * an upright one, where what it leaves is theirs. Whoever is pinned changes places with it.
 */
function present(
  { id, ratio = plain }: { id: string; ratio: number | undefined },
  items: readonly Item[],
  { width, height, pinned }: Stage,
): Placed[] {
  const screen: Item = { id, own: false, ratio };
  const front = items.find((item) => item.id === pinned);
  if (front) return spotlight(front, [screen, ...items], width, height);
  if (width < height) {
    const tall = Math.min(width / ratio, height * 0.6);
    return [
      ...whole(screen, ratio, width, tall),
      ...fill(items, width, height - tall - gap, 0, tall + gap),
    ];
  }
  const band = bandOf(width);
  const left = width - band - gap;
  return [
    ...whole(screen, ratio, left, height),
    ...fill(items, band, height - headroom, left + gap, headroom),
  ];
}

/** In the middle of a room, uncropped. */
function whole({ id }: Item, ratio: number, width: number, height: number): Placed[] {
  const wide = Math.min(width, height * ratio);
  const tall = wide / ratio;
  const [x, y] = [(width - wide) / 2, (height - tall) / 2];
  return [{ id, floating: false, x, y, width: wide, height: tall }];
}

/** One large, the others in a band below it on an upright stage, beside it on a wide one. */
function spotlight(front: Item, items: readonly Item[], width: number, height: number): Placed[] {
  const rest = items.filter((item) => item !== front);
  if (width < height) {
    const band = Math.round(height * 0.22);
    const top = height - band - gap;
    return [...fill([front], width, top), ...fill(rest, width, band, 0, top + gap)];
  }
  const band = bandOf(width);
  const left = width - band - gap;
  return [
    ...fill([front], left, height),
    ...fill(rest, band, height - headroom, left + gap, headroom),
  ];
}

/** How wide the band beside the stage is. */
const bandOf = (width: number): number => Math.round(Math.min(280, Math.max(140, width * 0.2)));

function corner(own: Item, { width, height, corner = ownCorner(width) }: Stage): Placed {
  const ratio = Math.min(plain, Math.max(9 / 16, own.ratio ?? 4 / 3));
  // About a twentieth of the stage, never so small that one can't see oneself.
  const area = Math.min(30_000, Math.max(11_000, width * height * 0.05));
  const wide = Math.min(width * 0.4, Math.sqrt(area * ratio));
  const tall = wide / ratio;
  const margin = width < 600 ? 8 : 16;
  return {
    id: own.id,
    floating: true,
    x: corner.right ? width - wide - margin : margin,
    y: corner.bottom ? height - tall - margin : margin,
    width: wide,
    height: tall,
  };
}
