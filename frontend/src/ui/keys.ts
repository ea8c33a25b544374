/**
 * Whether a key belongs to an input method that is composing. Safari says so by the key code alone when Enter ends the
 * composition (WebKit bug 165004).
 */
export const composes = (event: { isComposing: boolean; keyCode: number }): boolean =>
  event.isComposing || event.keyCode === 229;
