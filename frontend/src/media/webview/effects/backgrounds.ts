import type { BackgroundWord } from './words';

type Context = OffscreenCanvasRenderingContext2D;

/** What stands behind the person, drawn once for each size. Blur is made of the picture itself. */
export function paint(context: Context, word: Exclude<BackgroundWord, 'blur'>): void {
  const { width, height } = context.canvas;
  context.save();
  // All are drawn for 16 × 9 and fill what there is.
  const scale = Math.max(width / 16, height / 9);
  context.translate((width - 16 * scale) / 2, (height - 9 * scale) / 2);
  context.scale(scale, scale);
  drawn[word](context);
  context.restore();
}

const drawn: Record<Exclude<BackgroundWord, 'blur'>, (context: Context) => void> = {
  plain(context) {
    context.fillStyle = '#42586b';
    context.fillRect(0, 0, 16, 9);
  },

  hills(context) {
    fade(context, 0, 7, ['#f9d9b0', '#f3b6a0', '#a9b7cf']);
    disc(context, 11.5, 3.6, 0.9, '#fff1d6');
    for (const [colour, top, waves, shift] of [
      ['#8fa3b8', 4.6, 0.55, 0.4],
      ['#64809a', 5.6, 0.45, 2.1],
      ['#3f6470', 6.6, 0.5, 4.2],
      ['#274a45', 7.7, 0.35, 1.2],
    ] as const) {
      context.fillStyle = colour;
      context.beginPath();
      context.moveTo(0, 9);
      for (let x = 0; x <= 16; x += 0.25) {
        const y = Math.sin(x * 0.75 + shift) * waves + Math.sin(x * 1.9 + shift * 3) * waves * 0.3;
        context.lineTo(x, top + y);
      }
      context.lineTo(16, 9);
      context.fill();
    }
  },

  sea(context) {
    fade(context, 0, 5, ['#2b2f5c', '#7d4f83', '#f08f6c', '#fbd08b']);
    disc(context, 5, 4.7, 1.1, '#ffe7b0');
    fade(context, 5, 9, ['#c9736d', '#5a4677', '#1f2a4d']);
    context.fillStyle = 'rgb(255 226 170 / 0.5)';
    for (let row = 0; row < 14; row++) {
      const y = 5.12 + row * 0.26;
      const half = 1 - row * 0.05;
      const x = 5 + Math.sin(row * 2.3) * 0.25;
      context.fillRect(x - half, y, half * 2, 0.05 + row * 0.004);
    }
  },

  books(context) {
    context.fillStyle = '#6d4f38';
    context.fillRect(0, 0, 16, 9);
    const colours = ['#a4503f', '#2f5d62', '#d9a441', '#455a80', '#7c8a5c', '#c7b69a', '#5b3a4f'];
    let seed = 7;
    // The same books each time (a linear congruential generator).
    const next = () => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return seed / 2147483648;
    };
    for (let shelf = 0; shelf < 4; shelf++) {
      const bottom = 2.1 + shelf * 2.25;
      context.fillStyle = '#49321f';
      context.fillRect(0, bottom - 2.05, 16, 2.05);
      for (let x = 0.2 + next(); x < 15.6; ) {
        const wide = 0.22 + next() * 0.32;
        const tall = 1.2 + next() * 0.65;
        if (next() > 0.12) {
          context.fillStyle = colours[Math.floor(next() * colours.length)]!;
          context.fillRect(x, bottom - tall, wide, tall);
          context.fillStyle = 'rgb(255 255 255 / 0.22)';
          context.fillRect(x, bottom - tall * 0.82, wide, 0.08);
        }
        x += wide + 0.03;
      }
      context.fillStyle = '#8a6647';
      context.fillRect(0, bottom, 16, 0.2);
    }
  },
};

function fade(context: Context, from: number, to: number, colours: readonly string[]): void {
  const sky = context.createLinearGradient(0, from, 0, to);
  colours.forEach((colour, i) => {
    sky.addColorStop(i / (colours.length - 1), colour);
  });
  context.fillStyle = sky;
  context.fillRect(0, from, 16, 9 - from);
}

function disc(context: Context, x: number, y: number, radius: number, colour: string): void {
  context.fillStyle = colour;
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}
