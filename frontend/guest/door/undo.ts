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
