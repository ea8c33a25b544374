/** What only the host has of a recording. */
export interface Recorder {
  /** While it runs: since when, in Unix milliseconds, and who is recorded. */
  running?: { startedAt: number; people: readonly { id: string; name: string; state: string }[] };
  begin(): void;
  stop(): void;
}
