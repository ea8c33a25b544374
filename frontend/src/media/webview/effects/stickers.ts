import { distance, type Face } from './faces';
import type { StickerWord } from './words';

type Context = OffscreenCanvasRenderingContext2D;

/**
 * Stickers, drawn around the middle between the eyes: one unit is the distance of the eyes, x goes along them, y towards the
 * mouth.
 */
const drawn: Record<StickerWord, (context: Context) => void> = {
  hat(context) {
    context.fillStyle = '#23252b';
    context.beginPath();
    context.ellipse(0, -1.2, 1.75, 0.3, 0, 0, 2 * Math.PI);
    context.fill();
    context.beginPath();
    context.moveTo(-1.05, -1.25);
    context.lineTo(-1.15, -2.9);
    context.quadraticCurveTo(0, -3.15, 1.15, -2.9);
    context.lineTo(1.05, -1.25);
    context.quadraticCurveTo(0, -1.05, -1.05, -1.25);
    context.fill();
    context.fillStyle = '#d8452f';
    context.beginPath();
    context.moveTo(-1.06, -1.3);
    context.lineTo(-1.085, -1.75);
    context.quadraticCurveTo(0, -1.55, 1.085, -1.75);
    context.lineTo(1.06, -1.3);
    context.quadraticCurveTo(0, -1.08, -1.06, -1.3);
    context.fill();
  },

  glasses(context) {
    context.lineWidth = 0.11;
    context.lineCap = 'round';
    context.strokeStyle = '#15171c';
    context.fillStyle = 'rgb(20 40 70 / 0.55)';
    for (const x of [-0.52, 0.52]) {
      context.beginPath();
      context.ellipse(x, 0.02, 0.44, 0.4, 0, 0, 2 * Math.PI);
      context.fill();
      context.stroke();
    }
    context.beginPath();
    context.moveTo(-0.1, -0.04);
    context.quadraticCurveTo(0, -0.16, 0.1, -0.04);
    for (const way of [-1, 1]) {
      context.moveTo(0.95 * way, -0.06);
      context.lineTo(1.3 * way, -0.14);
    }
    context.stroke();
  },

  cat(context) {
    for (const way of [-1, 1]) {
      for (const [colour, by] of [
        ['#3b3440', 1],
        ['#f2a7b5', 0.55],
      ] as const) {
        context.fillStyle = colour;
        context.beginPath();
        context.moveTo((0.9 - 0.55 * by) * way, -1.25);
        context.quadraticCurveTo(0.75 * way, -1.9 * by - 0.7, 1.1 * way, -1.45 - 1.1 * by);
        context.quadraticCurveTo(1.45 * way, -1.2 - 0.7 * by, (0.95 + 0.45 * by) * way, -0.95);
        context.fill();
      }
    }
    context.fillStyle = '#e58a9b';
    context.beginPath();
    context.moveTo(-0.2, 0.5);
    context.quadraticCurveTo(0, 0.42, 0.2, 0.5);
    context.quadraticCurveTo(0.1, 0.72, 0, 0.74);
    context.quadraticCurveTo(-0.1, 0.72, -0.2, 0.5);
    context.fill();
    context.strokeStyle = '#f7f3f0';
    context.lineWidth = 0.045;
    context.lineCap = 'round';
    context.beginPath();
    for (const way of [-1, 1]) {
      for (const slope of [-0.14, 0.02, 0.18]) {
        context.moveTo(0.42 * way, 0.7 + slope * 0.5);
        context.quadraticCurveTo(0.9 * way, 0.64 + slope, 1.35 * way, 0.7 + slope * 1.7);
      }
    }
    context.stroke();
  },
};

/** Draws a sticker on a face, whose points are the canvas'. */
export function wear(
  context: Context,
  word: StickerWord,
  { eyes: [left, right], mouth }: Face,
): void {
  const middle = { x: (left.x + right.x) / 2, y: (left.y + right.y) / 2 };
  // Whoever looks aside has eyes that seem close.
  const unit = Math.max(distance(left, right), 0.9 * distance(middle, mouth));
  context.save();
  context.translate(middle.x, middle.y);
  context.rotate(Math.atan2(right.y - left.y, right.x - left.x));
  context.scale(unit, unit);
  drawn[word](context);
  context.restore();
}
