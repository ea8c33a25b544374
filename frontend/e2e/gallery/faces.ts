// The drawer's people, still, for the gallery.
import { OWN, type Picture } from '../../src/media/engine';
import { type Figures, nothing, type Way } from '../../src/media/figures';
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

/** A screen that somebody shares: a page of text beside a chart. */
export function sharedScreen(width = 1440, height = 900): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [width, height];
  const c = canvas.getContext('2d')!;
  const box = (colour: string, x: number, y: number, w: number, h: number) => {
    c.fillStyle = colour;
    c.fillRect(x, y, w, h);
  };
  box('#f4f4f1', 0, 0, width, height);
  box('#2b3a55', 0, 0, width, 56);
  c.font = '600 22px system-ui, sans-serif';
  c.fillStyle = '#fff';
  c.fillText('Garden plan — spring', 28, 36);
  c.fillStyle = '#1c2433';
  c.font = '600 34px system-ui, sans-serif';
  c.fillText('What goes where', 60, 140);
  c.font = '20px system-ui, sans-serif';
  const lines = [
    'Tomatoes along the south wall, six plants, 60 cm apart.',
    'Beans where the potatoes were; they thank the soil.',
    'Herbs beside the door: thyme, sage, chives, parsley.',
    'The old pear tree stays. Theo prunes it in March.',
    'Water: one barrel, 200 l, under the gutter.',
  ];
  for (const [i, line] of lines.entries()) c.fillText(`${i + 1}.  ${line}`, 60, 200 + i * 44);
  for (const [i, tall] of [90, 180, 260, 220, 310, 150].entries()) {
    box(i === 4 ? '#f5a524' : '#7c93c3', width - 420 + i * 60, height - 120 - tall, 42, tall);
  }
  box('#1c2433', width - 440, height - 118, 380, 3);
  return canvas;
}

/** Made-up figures of a call with these people. */
export function carried(ids: string[], way: Way = 'direct'): Figures {
  const at = performance.now();
  const seconds = 900 + at / 1000;
  const flow = (nth: number) => ({
    bytes: seconds * (84_000 - 9000 * nth),
    packets: seconds * 90,
    lost: seconds * 0.4 * nth,
    height: nth === 1 ? 720 : 360,
    frames: seconds * (30 - 3 * nth),
  });
  return {
    at,
    sent: seconds * 91_000,
    received: seconds * 263_000,
    people: ids.map((id, nth) => ({
      id,
      way: nth === 2 ? 'relay' : way,
      roundTrip: 8400 + 31_000 * nth,
      out: flow(nth),
      in: id === OWN ? nothing : flow(nth),
    })),
  };
}

/** An engine that shows drawn people; whoever has no picture has their camera off. */
export class DrawnEngine extends FakeEngine {
  override level = 0.4;
  override devices = {
    cameras: [{ id: 'a', name: 'FaceTime HD Camera' }],
    microphones: [{ id: 'b', name: 'MacBook Pro Microphone' }],
    speakers: [{ id: 'c', name: 'MacBook Pro Speakers' }],
  };
  override screen = { open: async () => ({ sound: false }), close() {}, onended: null };
  readonly #pictures: Readonly<Record<string, HTMLCanvasElement>>;

  /** pictures are by participant. */
  constructor(pictures: Readonly<Record<string, HTMLCanvasElement>>) {
    super();
    this.#pictures = pictures;
  }

  /** What the connection has carried; it goes on with the clock. */
  override async figures(): Promise<Figures> {
    return carried(Object.keys(this.#pictures));
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
