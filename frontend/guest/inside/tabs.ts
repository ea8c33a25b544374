// The tabs of one browser that were in one call: a copied one takes the seat, and gives it back.
const name = 'porch.tabs';

/** Tells other tabs that this one is in the call, or is not any more. */
export function tell(gone: boolean): void {
  if (!('BroadcastChannel' in window)) return;
  const channel = new BroadcastChannel(name);
  channel.postMessage(gone);
  channel.close();
}

/** Hears what other tabs tell, until the returned function is called. */
export function tabs(heard: (gone: boolean) => void): () => void {
  if (!('BroadcastChannel' in window)) return () => {};
  const channel = new BroadcastChannel(name);
  channel.onmessage = ({ data }) => heard(data === true);
  return () => channel.close();
}
