import { describe, expect, it } from 'vitest';
import { draw } from './filter';
import type { FilterWord } from './words';

describe('a filter', () => {
  it.each<FilterWord>(['warm', 'cool', 'mono', 'bright'])(
    '%s mixes over the whole picture',
    (word) => {
      const done: string[] = [];
      const context = {
        canvas: { width: 64, height: 36 },
        globalCompositeOperation: 'source-over',
        fillStyle: '',
        fillRect(x: number, y: number, width: number, height: number) {
          done.push(`${this.globalCompositeOperation} ${x},${y} ${width}×${height}`);
        },
      };
      draw(context as unknown as CanvasRenderingContext2D, word);
      expect(done.length).toBeGreaterThan(0);
      for (const each of done) expect(each).toMatch(/^(?!source-over).* 0,0 64×36$/);
      expect(context.globalCompositeOperation).toBe('source-over');
    },
  );
});
