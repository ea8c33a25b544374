// What this browser remembers: the name for ever, the switches for as long as
// the tab lives. Private windows may refuse to keep anything, which is fine.

function read(storage: () => Storage, key: string): string {
  try {
    return storage().getItem(key) ?? '';
  } catch {
    return '';
  }
}

function write(storage: () => Storage, key: string, value: string): void {
  try {
    storage().setItem(key, value);
  } catch {
    // Not kept.
  }
}

const name = 'porch.name';
const switches = 'porch.switches';

export interface Memory {
  name: string;
  /** How this tab's microphone and camera were left, so that a reload changes nothing. */
  switches: { muted: boolean; cameraOff: boolean };
}

/** The browser's own storage as a Memory. */
export const memory: Memory = {
  get name() {
    return read(() => localStorage, name);
  },
  set name(value) {
    write(() => localStorage, name, value);
  },
  get switches() {
    const kept = read(() => sessionStorage, switches);
    return { muted: kept.includes('m'), cameraOff: kept.includes('c') };
  },
  set switches({ muted, cameraOff }) {
    write(() => sessionStorage, switches, (muted ? 'm' : '') + (cameraOff ? 'c' : ''));
  },
};
