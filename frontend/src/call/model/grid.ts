/** Where a tile lies on the stage, in CSS pixels from its top left corner. */
export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** Tiles are neither thinner than a phone held upright nor wider than a cinema. */
const thinnest = 9 / 16;
const widest = 16 / 9;

/**
 * Fills rows from the left with tiles of the given widths, in their order, as
 * long as they fit into room. Returns the rows' lengths.
 */
function fill(widths: readonly number[], room: number, gap: number): number[] {
  const lengths: number[] = [];
  let used = 0;
  let length = 0;
  for (const width of widths) {
    if (length > 0 && used + gap + width > room + 1e-6) {
      lengths.push(length);
      used = 0;
      length = 0;
    }
    used += (length > 0 ? gap : 0) + width;
    length++;
  }
  lengths.push(length);
  return lengths;
}

/** The largest value from 0 to high that is good, where every smaller one is good too. */
function largest(high: number, good: (value: number) => boolean): number {
  if (good(high)) return high;
  let low = 0;
  for (let step = 0; step < 40; step++) {
    const middle = (low + high) / 2;
    if (good(middle)) low = middle;
    else high = middle;
  }
  return low;
}

/**
 * Lays pictures of the given ratios (width over height) out on a stage so that
 * they cover as much of it as they can: rows of one height, in order, each
 * picture in its own ratio, the whole in the middle. Only on an upright stage,
 * where a wide picture would be a narrow band, may it be cropped at its sides,
 * to a square at most.
 */
export function arrange(
  ratios: readonly number[],
  width: number,
  height: number,
  gap: number,
): Box[] {
  if (ratios.length === 0 || width <= 0 || height <= 0) return [];
  let best = { covered: -1, tall: 0, widths: [] as number[] };
  for (const limit of width < height ? [widest, 1.5, 1.25, 1] : [widest]) {
    const shapes = ratios.map((ratio) => Math.min(limit, Math.max(thinnest, ratio)));
    const tall = largest(Math.min(height, width / Math.max(...shapes)), (tall) => {
      const rows = fill(
        shapes.map((shape) => shape * tall),
        width,
        gap,
      ).length;
      return rows * tall + (rows - 1) * gap <= height + 1e-6;
    });
    const widths = shapes.map((shape) => shape * tall);
    const covered = tall * widths.reduce((a, b) => a + b, 0);
    if (covered > best.covered + 1e-6) best = { covered, tall, widths };
  }
  return place(best.widths, best.tall, width, height, gap);
}

/** Puts tiles of one height into as few rows as they need, as even as can be. */
function place(widths: number[], tall: number, width: number, height: number, gap: number): Box[] {
  const rows = fill(widths, width, gap).length;
  // The narrowest room that needs no more rows: what is left over is found downwards.
  const spare = largest(width, (less) => {
    const room = width - less;
    return room >= Math.max(...widths) && fill(widths, room, gap).length <= rows;
  });
  const boxes: Box[] = [];
  let y = (height - rows * tall - (rows - 1) * gap) / 2;
  let at = 0;
  for (const length of fill(widths, width - spare, gap)) {
    const row = widths.slice(at, at + length);
    let x = (width - row.reduce((a, b) => a + b, 0) - (length - 1) * gap) / 2;
    for (const wide of row) {
      boxes.push({ x, y, width: wide, height: tall });
      x += wide + gap;
    }
    y += tall + gap;
    at += length;
  }
  return boxes;
}
