// The lab's display as pixels, and a mouse on it: how tests look at and press
// the native window, which no browser protocol reaches.
import { readFileSync, writeFileSync } from 'node:fs';
import type { Lab } from './lab.js';
import { until } from './processes.js';

export interface Pixels {
  width: number;
  height: number;
  /** Blue, green, red and a byte that means nothing, row by row. */
  data: Buffer;
}

export type Colour = [red: number, green: number, blue: number];

/** The one amber button of a screen (ui.md, "main button"). */
export const amber: Colour = [0xf5, 0xa5, 0x24];

/** What is on the display now, from Xvfb's memory: looking costs the programs on it nothing. */
export function screen(lab: Lab): Pixels {
  const file = readFileSync(lab.framebuffer);
  // X Window Dump (XWDFile.h): a header of big-endian words, colours of 12 bytes, pixels.
  const word = (at: number) => file.readUInt32BE(at * 4);
  const [width, height] = [word(4), word(5)];
  if (word(1) !== 7 || word(11) !== 32 || word(12) !== width * 4)
    throw new Error('not a dump with 32 bits a pixel');
  return { width, height, data: file.subarray(word(0) + word(19) * 12) };
}

/** Keeps the display as a picture, to be looked at. */
export async function saveScreen(lab: Lab, file: string): Promise<void> {
  writeFileSync(file, await lab.runForBytes('import', '-silent', '-window', 'root', 'png:-'));
}

/** Where a colour (within a tolerance per channel) fills the largest box: its centre and area in pixels. */
export function findColour(
  pixels: Pixels,
  colour: Colour,
  tolerance = 6,
): { x: number; y: number; area: number } | undefined {
  const { width, height, data } = pixels;
  const seen = new Uint8Array(width * height);
  const matches = (p: number) =>
    Math.abs((data[p * 4 + 2] ?? 0) - colour[0]) <= tolerance &&
    Math.abs((data[p * 4 + 1] ?? 0) - colour[1]) <= tolerance &&
    Math.abs((data[p * 4] ?? 0) - colour[2]) <= tolerance;
  let best: { x: number; y: number; area: number } | undefined;
  for (let start = 0; start < width * height; start++) {
    if (seen[start] || !matches(start)) continue;
    let area = 0;
    let [left, right, top, bottom] = [width, 0, height, 0];
    const stack = [start];
    seen[start] = 1;
    while (stack.length > 0) {
      const p = stack.pop() as number;
      const [x, y] = [p % width, Math.floor(p / width)];
      area++;
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = Math.max(bottom, y);
      for (const [dx, dy] of [
        [1, 0],
        [-1, 0],
        [0, 1],
        [0, -1],
      ] as const) {
        const [nx, ny] = [x + dx, y + dy];
        const n = ny * width + nx;
        if (nx < 0 || ny < 0 || nx >= width || ny >= height || seen[n] || !matches(n)) continue;
        seen[n] = 1;
        stack.push(n);
      }
    }
    if (!best || area > best.area) best = { x: (left + right) >> 1, y: (top + bottom) >> 1, area };
  }
  return best;
}

/** Like findColour in after, without the pixels that had the colour in before. */
export function findNew(
  before: Pixels,
  after: Pixels,
  colour: Colour,
): ReturnType<typeof findColour> {
  const data = Buffer.from(after.data);
  for (let p = 0; p < before.data.length; p += 4)
    if ([0, 1, 2].every((c) => Math.abs((before.data[p + c] ?? 0) - (colour[2 - c] ?? 0)) <= 6))
      data.fill(0, p, p + 4);
  return findColour({ ...after, data }, colour);
}

/** The share of pixels (0 to 1) that differ by more than 24 in some channel. */
export function difference(a: Pixels, b: Pixels): number {
  let changed = 0;
  const count = a.width * a.height;
  for (let p = 0; p < count; p++) {
    for (let c = 0; c < 3; c++) {
      if (Math.abs((a.data[p * 4 + c] ?? 0) - (b.data[p * 4 + c] ?? 0)) > 24) {
        changed++;
        break;
      }
    }
  }
  return changed / count;
}

export async function click(lab: Lab, x: number, y: number): Promise<void> {
  await lab.run('xdotool', 'mousemove', String(x), String(y), 'click', '1');
}

/**
 * Presses Create Link and then Copy in the native window: each is the amber button of its screen, and has another colour
 * while the mouse is on it, so that none is pressed twice. Returns the address.
 */
export async function createLinkByMouse(lab: Lab): Promise<string> {
  return until(
    'the address is on the clipboard',
    async () => {
      const text = await lab.clipboard().catch(() => '');
      if (text.includes('/j/')) return text.trim();
      const button = findColour(screen(lab), amber);
      if (button && button.area > 1_000) await click(lab, button.x, button.y);
      return '';
    },
    { within: 40_000, every: 500 },
  );
}
