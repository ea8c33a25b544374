import type { Picture } from '$src/media/engine';

/** Draws one participant's pictures, decoded once, on a canvas in each container that shows them. */
export class Screen {
  picture = $state.raw<Picture>();
  /** The newest picture, kept for containers to come. */
  #newest: VideoFrame | undefined;
  #size = '';
  #due = 0;
  readonly #canvases = new Map<HTMLElement, HTMLCanvasElement>();

  /** Takes a picture over and draws it with the next repaint. */
  show(picture: VideoFrame): void {
    this.#newest?.close();
    this.#newest = picture;
    const { displayWidth: width, displayHeight: height } = picture;
    const size = `${width}×${height}`;
    if (size !== this.#size) {
      this.#size = size;
      this.picture = { ratio: width / height };
    }
    this.#repaint();
  }

  /** Goes dark. */
  clear(): void {
    this.#newest?.close();
    this.#newest = undefined;
    this.#size = '';
    this.picture = undefined;
  }

  attach(container: HTMLElement): () => void {
    const canvas = document.createElement('canvas');
    // The tile around it says whose picture it is.
    canvas.setAttribute('aria-hidden', 'true');
    container.replaceChildren(canvas);
    this.#canvases.set(container, canvas);
    this.#repaint();
    return () => {
      if (this.#canvases.get(container) !== canvas) return;
      this.#canvases.delete(container);
      canvas.remove();
    };
  }

  #repaint(): void {
    this.#due ||= requestAnimationFrame(() => {
      this.#due = 0;
      const picture = this.#newest;
      if (!picture) return;
      for (const canvas of this.#canvases.values()) draw(picture, canvas);
    });
  }
}

function draw(picture: VideoFrame, canvas: HTMLCanvasElement): void {
  const { displayWidth: width, displayHeight: height } = picture;
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  canvas.getContext('2d', { alpha: false })?.drawImage(picture, 0, 0, width, height);
}
