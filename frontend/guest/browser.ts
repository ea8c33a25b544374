/** Whether this browser can hold a call at all; some that are built into apps can't. Nothing is opened to find out. */
export function usable(scope: {
  RTCPeerConnection?: unknown;
  WebSocket?: unknown;
  crypto?: { subtle?: unknown };
}): boolean {
  return !!scope.RTCPeerConnection && !!scope.WebSocket && !!scope.crypto?.subtle;
}
