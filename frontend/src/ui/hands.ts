/**
 * Keeps words true under foreign hands. A browser's translation puts a `<font>` in the place of each text node, and Svelte
 * goes on writing into the node that is gone, and looks for it where it was (svelte issue 15090). So the node goes back
 * beside its stand-in, without its words, and the two share their fate: new words take the stand-in's place and are
 * translated anew, a node that the page removes takes it along, and a stand-in that is taken away leaves the words.
 *
 * It watches from the beginning: what was replaced before could not be found again.
 */
export function keepWords(root: Node): void {
  const replaced = new Map<Text, { font: Element; words: string }>();
  const fonts = new WeakSet<Node>();
  const observer = new MutationObserver((records) => {
    const written = new Set<Node>();
    for (const record of records) {
      if (record.type === 'characterData') written.add(record.target);
      for (const text of record.removedNodes) {
        if (!(text instanceof Text) || !text.data || text.isConnected) continue;
        const font = standIn(record, fonts);
        if (!font) continue;
        fonts.add(font);
        replaced.set(text, { font, words: text.data });
        text.data = '';
        font.after(text);
        written.delete(text);
      }
    }
    for (const [text, { font, words }] of replaced) {
      if (written.has(text)) font.replaceWith(text);
      else if (text.parentNode && !font.parentNode) text.data = words;
      else if (!text.parentNode) font.remove();
      else if (!text.isConnected) {
        // It went with what it was in, which is not to be kept. Should that come back, it is as if nothing had been.
        font.remove();
        text.data = words;
      } else if (text.previousSibling === font) continue;
      else {
        text.before(font);
        continue;
      }
      replaced.delete(text);
    }
    observer.takeRecords(); // what was done here
  });
  observer.observe(root, { childList: true, characterData: true, subtree: true });
}

/** The `<font>` that has taken the place of what was removed: our pages have none of their own. */
function standIn(record: MutationRecord, taken: WeakSet<Node>): Element | undefined {
  const { target, addedNodes, previousSibling, nextSibling } = record;
  return [
    ...addedNodes,
    previousSibling,
    nextSibling,
    previousSibling ? previousSibling.nextSibling : target.firstChild,
    nextSibling ? nextSibling.previousSibling : target.lastChild,
  ].find(
    (node): node is Element => node?.nodeName === 'FONT' && node.isConnected && !taken.has(node),
  );
}
