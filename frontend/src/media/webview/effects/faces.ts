// Faces as BlazeFace (short range) says them: 896 places of a picture of 128 × 128, for each a score and where a face would
// be from there.

export interface Point {
  x: number;
  y: number;
}

/** Where a face is, in the units of the picture that was looked at. */
export interface Face {
  /** Of the picture's left and right. */
  eyes: [left: Point, right: Point];
  mouth: Point;
}

/** The side of the picture that the model looks at, in pixels. */
export const side = 128;

/** From this score on, a face is one, as in MediaPipe. */
const least = 0.5;

/** At most so many faces wear something. */
const most = 4;

/** The places: 16 × 16 with two each, then 8 × 8 with six each; in pixels. */
const anchors: Point[] = [
  [16, 2],
  [8, 6],
].flatMap(([grid = 0, each = 0]) =>
  Array.from({ length: grid * grid * each }, (_, i) => {
    const at = Math.floor(i / each);
    const step = side / grid;
    return { x: ((at % grid) + 0.5) * step, y: (Math.floor(at / grid) + 0.5) * step };
  }),
);

/** Numbers for each place: a box (centre, size), then right eye, left eye, nose, mouth and both ears of the person. */
const numbers = 16;

/** Finds faces in what the model said, the surest first. */
export function find(said: Float32Array, scores: Float32Array): Face[] {
  const floor = Math.log(least / (1 - least));
  const sure = anchors
    .map((anchor, i) => ({ anchor, i, score: scores[i] ?? Number.NEGATIVE_INFINITY }))
    .filter(({ score }) => score >= floor)
    .sort((one, other) => other.score - one.score);
  const found: { face: Face; centre: Point; size: number }[] = [];
  for (const { anchor, i } of sure) {
    if (found.length === most) break;
    const at = (place: number): Point => ({
      x: anchor.x + (said[i * numbers + place] ?? 0),
      y: anchor.y + (said[i * numbers + place + 1] ?? 0),
    });
    const centre = at(0);
    const size = said[i * numbers + 2] ?? 0;
    // Many places say the same face.
    if (found.some((known) => distance(known.centre, centre) < Math.max(known.size, size) / 2))
      continue;
    found.push({ face: { eyes: [at(4), at(6)], mouth: at(10) }, centre, size });
  }
  return found.map(({ face }) => face);
}

export const distance = (one: Point, other: Point): number =>
  Math.hypot(one.x - other.x, one.y - other.y);

/** How much of a new look counts, so that stickers don't tremble. */
const fresh = 0.6;

/** For how many looks a face that is not seen any more keeps its sticker. */
const patience = 5;

/** Follows faces from look to look. */
export class Followed {
  #faces: { face: Face; missed: number }[] = [];

  get faces(): Face[] {
    return this.#faces.map(({ face }) => face);
  }

  take(seen: readonly Face[]): void {
    const left = [...this.#faces];
    const next = seen.map((face) => {
      const at = left.findIndex(({ face: before }) => same(before, face));
      const [before] = at < 0 ? [] : left.splice(at, 1);
      return { face: before ? between(before.face, face) : face, missed: 0 };
    });
    const missed = left
      .map(({ face, missed }) => ({ face, missed: missed + 1 }))
      .filter(({ missed }) => missed <= patience);
    this.#faces = [...next, ...missed].slice(0, most);
  }
}

const width = ({ eyes: [left, right] }: Face): number => distance(left, right);
const same = (one: Face, other: Face): boolean =>
  distance(one.eyes[0], other.eyes[0]) < 1.5 * Math.max(width(one), width(other));

function between(before: Face, now: Face): Face {
  const step = (from: Point, to: Point): Point => ({
    x: from.x + (to.x - from.x) * fresh,
    y: from.y + (to.y - from.y) * fresh,
  });
  return {
    eyes: [step(before.eyes[0], now.eyes[0]), step(before.eyes[1], now.eyes[1])],
    mouth: step(before.mouth, now.mouth),
  };
}
