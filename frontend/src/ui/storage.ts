// What a page keeps in its browser. A store may be full, or refused, as in
// private windows: nothing that must work depends on it.

/** What was kept under a key; '' when nothing was. */
export function read(storage: () => Storage, key: string): string {
  try {
    return storage().getItem(key) ?? '';
  } catch {
    return '';
  }
}

/** Keeps a value, if it can be kept; '' forgets. */
export function write(storage: () => Storage, key: string, value: string): void {
  try {
    if (value) storage().setItem(key, value);
    else storage().removeItem(key);
  } catch {
    // Not kept.
  }
}
