const first = 250; // ms
const longest = 10_000; // ms: a seat is held for two minutes

/** Milliseconds to wait before try number `attempt` (from 1): doubled each time, and shared out at random so that the guests of a relay that comes back do not come all at once. */
export const backoff = (attempt: number, random = Math.random): number =>
  Math.min(longest, first * 2 ** (attempt - 1)) * (0.5 + random() / 2);
