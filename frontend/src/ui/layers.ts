// Dialogs lie over the page in layers: only the top one and what must always be reachable can be used, the rest is inert.
// The browser's own modal dialogs would make *everything* else inert, also the host's join requests, which must stay
// pressable while a sheet is open. Elements with data-above are never made inert.

const layers: HTMLElement[] = [];
const silenced = new Map<Element, boolean>(); // element → whether it was inert before

function settle(): void {
  for (const [element, before] of silenced) element.toggleAttribute('inert', before);
  silenced.clear();
  const top = layers.at(-1);
  if (!top) return;
  // Everything that is neither the top layer, nor around it, nor above it.
  const visit = (parent: Element) => {
    for (const child of parent.children) {
      if (child === top || child.hasAttribute('data-above') || child.tagName === 'SCRIPT') continue;
      if (child.contains(top) || child.querySelector('[data-above]')) {
        visit(child);
        continue;
      }
      silenced.set(child, child.hasAttribute('inert'));
      child.setAttribute('inert', '');
    }
  };
  visit(document.body);
}

/** Puts element on top; the returned function takes it away and gives the focus back to where it was. */
export function pushLayer(element: HTMLElement): () => void {
  const focused = document.activeElement;
  layers.push(element);
  settle();
  return () => {
    const at = layers.indexOf(element);
    if (at < 0) return;
    layers.splice(at, 1);
    settle();
    if (focused instanceof HTMLElement && focused.isConnected)
      focused.focus({ preventScroll: true });
  };
}

/** Whether element is the top layer: the one that Escape closes. */
export function isTopLayer(element: HTMLElement): boolean {
  return layers.at(-1) === element;
}
