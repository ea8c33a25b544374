// The drawer's people, still, for the gallery.
import type { Picture } from '../../src/media/engine';
import { FakeEngine } from '../../src/test/fakeEngine';
import { draw, people } from '../people';

/** A person of the drawer, still, in a picture of this ratio. */
export function face(nth: number, ratio = 16 / 9): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [Math.round(720 * ratio), 720];
  const all = Object.values(people);
  draw(canvas, all[nth % all.length]!);
  return canvas;
}

/** An engine that shows drawn people; whoever has no picture has their camera off. */
export class DrawnEngine extends FakeEngine {
  override level = 0.4;
  override devices = {
    cameras: [{ id: 'a', name: 'FaceTime HD Camera' }],
    microphones: [{ id: 'b', name: 'MacBook Pro Microphone' }],
    speakers: [{ id: 'c', name: 'MacBook Pro Speakers' }],
  };
  readonly #pictures: Readonly<Record<string, HTMLCanvasElement>>;

  /** pictures are by participant. */
  constructor(pictures: Readonly<Record<string, HTMLCanvasElement>>) {
    super();
    this.#pictures = pictures;
  }

  override pictureOf(id: string): Picture | undefined {
    const canvas = this.#pictures[id];
    return canvas && { ratio: canvas.width / canvas.height };
  }

  override attach(id: string, container: HTMLElement): () => void {
    const canvas = this.#pictures[id];
    if (canvas) container.replaceChildren(canvas);
    return () => canvas?.remove();
  }
}
