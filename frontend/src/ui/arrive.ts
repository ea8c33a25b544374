let begun = false;

/**
 * Brings the focus to what a new screen begins with, so that a screen reader says where one is: the button that led here has
 * gone, and the focus with it. A field or a button that is still there keeps it, and the first screen of a page is read by
 * itself. To be attached to a heading or a landmark with tabindex="-1".
 */
export function arrive(place: HTMLElement): void {
  const { activeElement, body } = document;
  if (begun && (!activeElement || activeElement === body)) place.focus({ preventScroll: true });
  begun = true;
}
