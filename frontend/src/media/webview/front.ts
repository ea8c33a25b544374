/** Calls back whenever the page is looked at again: after another tab, a phone call, sleep, another program. */
export function whenInFront(callback: () => void, signal: AbortSignal): void {
  document.addEventListener(
    'visibilitychange',
    () => {
      if (document.visibilityState === 'visible') callback();
    },
    { signal },
  );
  addEventListener('pageshow', callback, { signal });
  addEventListener('focus', callback, { signal }); // windows that only lie behind others stay visible
}
