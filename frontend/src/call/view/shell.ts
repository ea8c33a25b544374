/** What the app's own window does for a call, beyond what a page can do. */
export interface Shell {
  /** Fills the screen with the window, or ends that. */
  fill(on: boolean): void;
  /** Makes the window small and keeps it above all others, or ends that; missing where there is no such window. */
  compact?: (on: boolean) => void;
}
