import type { FilterWord } from './words';

/**
 * What a filter does to a canvas that has the picture: it is filled once more, and browsers mix that with what is there
 * (Compositing and Blending, W3C). No shader: that has to be the same on computers without a graphics card.
 */
const mixes: Record<FilterWord, readonly [mix: GlobalCompositeOperation, colour: string][]> = {
  warm: [['soft-light', 'rgb(255 140 40 / 0.55)']],
  cool: [['soft-light', 'rgb(40 130 255 / 0.55)']],
  mono: [['saturation', 'rgb(128 128 128)']],
  bright: [['color-dodge', 'rgb(96 96 96)']],
};

/** Draws a filter over a canvas. */
export function draw(context: CanvasRenderingContext2D, word: FilterWord): void {
  const { width, height } = context.canvas;
  for (const [mix, colour] of mixes[word]) {
    context.globalCompositeOperation = mix;
    context.fillStyle = colour;
    context.fillRect(0, 0, width, height);
  }
  context.globalCompositeOperation = 'source-over';
}
