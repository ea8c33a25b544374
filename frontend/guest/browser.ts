/** How a person lifts a refused permission; each has its own sentence. */
export type Undo = 'ios' | 'safari' | 'firefox' | 'android' | 'edge' | 'chrome';

/** Which browser this is, as far as the way to its permissions goes. */
export function undoFor(userAgent: string, touchPoints: number): Undo {
  // iPadOS calls itself a Mac; no Mac has a touch screen.
  const ios =
    /iPhone|iPad|iPod/.test(userAgent) || (/Macintosh/.test(userAgent) && touchPoints > 1);
  if (ios) return 'ios';
  if (/Firefox\//.test(userAgent)) return 'firefox';
  if (/Safari\//.test(userAgent) && !/Chrom|Android|Edg/.test(userAgent)) return 'safari';
  if (/Android/.test(userAgent)) return 'android';
  return /Edg\//.test(userAgent) ? 'edge' : 'chrome';
}

/** Whether this browser can hold a call at all; some that are built into apps can't. Nothing is opened to find out. */
export function usable(scope: {
  RTCPeerConnection?: unknown;
  WebSocket?: unknown;
  crypto?: { subtle?: unknown };
}): boolean {
  return !!scope.RTCPeerConnection && !!scope.WebSocket && !!scope.crypto?.subtle;
}

/** A time gone by as a person says it: in seconds, then in minutes. */
export function agoOf(milliseconds: number): {
  unit: 'now' | 'seconds' | 'minutes';
  count: number;
} {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 2) return { unit: 'now', count: 0 };
  if (seconds < 60) return { unit: 'seconds', count: seconds };
  return { unit: 'minutes', count: Math.floor(seconds / 60) };
}
