/** How often a window that is not in front is asked, and one that is minimised, in milliseconds. */
const behind = 1000;
const minimised = 250;

/**
 * Follows whether the window is minimised, until the returned function is called. WebView2 does not call the page of such a
 * window hidden, and WebKit tells late. A window in front is asked only when that changes.
 */
export function followMinimised(
  ask: () => Promise<boolean>,
  tell: (minimised: boolean) => void,
): () => void {
  const over = new AbortController();
  let told = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const look = async () => {
    clearTimeout(timer);
    const now = await ask().catch(() => false);
    if (over.signal.aborted) return;
    if (now !== told) {
      told = now;
      tell(now);
    }
    clearTimeout(timer);
    if (now) timer = setTimeout(look, minimised);
    else if (!document.hasFocus()) timer = setTimeout(look, behind);
  };
  for (const event of ['focus', 'blur', 'resize']) {
    addEventListener(event, () => void look(), { signal: over.signal });
  }
  void look();
  return () => {
    over.abort();
    clearTimeout(timer);
  };
}
