// What this browser remembers: the name for ever, the switches for as long as
// the tab lives.

import { read, write } from '$src/ui/storage';

const name = 'porch.name';
const switches = 'porch.switches';
const language = 'porch.language';

export interface Memory {
  name: string;
  /** The language that was chosen, '' for the browser's. */
  language: string;
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
  get language() {
    return read(() => localStorage, language);
  },
  set language(value) {
    write(() => localStorage, language, value);
  },
  get switches() {
    const kept = read(() => sessionStorage, switches);
    return { muted: kept.includes('m'), cameraOff: kept.includes('c') };
  },
  set switches({ muted, cameraOff }) {
    write(() => sessionStorage, switches, (muted ? 'm' : '') + (cameraOff ? 'c' : ''));
  },
};
