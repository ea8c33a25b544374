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
