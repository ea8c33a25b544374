// The drawer's people, still, for the gallery.
import type { MediaEngine, Picture } from '../../src/media/engine';
import { draw, people } from '../people';

/** A person of the drawer, still, in a picture of this ratio. */
export function face(nth: number, ratio = 16 / 9): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [Math.round(720 * ratio), 720];
  const all = Object.values(people);
  draw(canvas, all[nth % all.length]!);
  return canvas;
}

/** An engine that shows drawn people; ids without a picture have their camera off. */
export function drawnEngine(pictures: string[]): MediaEngine {
  return {
    muted: false,
    cameraOff: false,
    level: 0.3,
    faults: [],
    path: 'open',
    soundBlocked: false,
    devices: { cameras: [], microphones: [], speakers: [] },
    choice: { camera: '', microphone: '', speaker: '' },
    setMuted: async () => {},
    setCameraOff: async () => {},
    choose: async () => {},
    retry: async () => {},
    allowSound: () => {},
    receive: () => {},
    pictureOf: (id): Picture | undefined => (pictures.includes(id) ? { ratio: 16 / 9 } : undefined),
    attach: (id, container) => {
      const at = pictures.indexOf(id);
      if (at < 0) return () => {};
      const canvas = face(at);
      container.append(canvas);
      return () => canvas.remove();
    },
    close: () => {},
  };
}
