// The lab's display as pixels, and a mouse on it: how tests look at and press
// the native window, which no browser protocol reaches.
import { writeFileSync } from 'node:fs';
import type { Lab } from './lab.js';
import { until } from './processes.js';

export interface Pixels {
  width: number;
  height: number;
  /** Red, green, blue, row by row. */
  data: Buffer;
}

export type Colour = [red: number, green: number, blue: number];

/** The one amber button of a screen (ui.md, "main button"). */
export const amber: Colour = [0xf5, 0xa5, 0x24];

export async function screen(lab: Lab): Promise<Pixels> {
  const stdout = await lab.runForBytes(
    'import', '-silent', '-window', 'root', '-depth', '8', 'ppm:-',
  ); // biome-ignore format: a command line
  const header = /^P6\s+(\d+)\s+(\d+)\s+255\s/.exec(stdout.subarray(0, 32).toString('latin1'));
  if (!header) throw new Error('not a PPM picture');
  return {
    width: Number(header[1]),
    height: Number(header[2]),
    data: stdout.subarray(header[0].length),
  };
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
    Math.abs((data[p * 3] ?? 0) - colour[0]) <= tolerance &&
    Math.abs((data[p * 3 + 1] ?? 0) - colour[1]) <= tolerance &&
    Math.abs((data[p * 3 + 2] ?? 0) - colour[2]) <= tolerance;
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

/** The share of pixels (0 to 1) that differ by more than 24 in some channel. */
export function difference(a: Pixels, b: Pixels): number {
  let changed = 0;
  const count = a.width * a.height;
  for (let p = 0; p < count; p++) {
    for (let c = 0; c < 3; c++) {
      if (Math.abs((a.data[p * 3 + c] ?? 0) - (b.data[p * 3 + c] ?? 0)) > 24) {
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

/** Presses the largest amber button on the display, once it is drawn. */
export async function pressAmber(lab: Lab): Promise<void> {
  const button = await until('an amber button is drawn', async () => {
    const found = findColour(await screen(lab), amber);
    return found && found.area > 1_000 ? found : undefined;
  });
  await click(lab, button.x, button.y);
}
