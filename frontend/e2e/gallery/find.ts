/** What is called so, for a scene that presses it: in any language. */
export const labelled = (label: string): HTMLElement | undefined =>
  [...document.querySelectorAll<HTMLElement>('[aria-label]')].find(
    (element) => element.ariaLabel === label,
  );
