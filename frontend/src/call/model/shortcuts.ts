import { composes } from '$src/ui/keys';
import type { Call } from './call.svelte';

/** What a key does in the call; see Shortcuts.svelte for the list people read. */
export type Shortcut =
  | 'mute'
  | 'camera'
  | 'talk'
  | 'chat'
  | 'people'
  | 'view'
  | 'next'
  | 'previous'
  | 'hand'
  | 'full'
  | 'compact'
  | 'help'
  | 'close';

const keys: Record<string, Shortcut> = {
  m: 'mute',
  v: 'camera',
  ' ': 'talk',
  c: 'chat',
  p: 'people',
  g: 'view',
  PageDown: 'next',
  PageUp: 'previous',
  h: 'hand',
  f: 'full',
  w: 'compact',
  '?': 'help',
  '؟': 'help', // of Arabic and Persian keyboards
  Escape: 'close',
};

/** What was pressed, as far as it matters. */
export interface Press {
  key: string;
  /** The key's place, named by what an English keyboard has there. */
  code: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  repeat: boolean;
  isComposing: boolean;
  keyCode: number;
}

/** The shortcut of a key press; undefined for keys that mean something else, or are part of a system's own. */
export function shortcutOf(press: Press): Shortcut | undefined {
  if (press.ctrlKey || press.metaKey || press.altKey || press.repeat || composes(press)) return;
  return keys[keyOf(press)];
}

// A keyboard with other letters has a shortcut where an English one has it.
function keyOf({ key, code }: Press): string {
  if (/^\P{ASCII}$/u.test(key) && /\p{L}/u.test(key) && !/\p{Script=Latin}/u.test(key))
    return code.replace(/^Key/, '').toLowerCase();
  return key.length === 1 ? key.toLowerCase() : key;
}

/** Does what a shortcut says. The list of shortcuts and the window are the view's. */
export function act(call: Call, shortcut: Exclude<Shortcut, 'help' | 'full' | 'compact'>): void {
  switch (shortcut) {
    case 'mute':
      void call.microphone.toggle();
      break;
    case 'camera':
      void call.camera.toggle();
      break;
    case 'talk':
      call.talk(true);
      break;
    case 'chat':
    case 'people':
      call.show(shortcut);
      break;
    case 'view':
      call.look(call.view === 'grid' ? 'speaker' : 'grid');
      break;
    case 'hand':
      if (call.gestures.takes.has('hand')) call.gestures.raise(!call.me?.hand);
      break;
    case 'next':
      call.turn(1);
      break;
    case 'previous':
      call.turn(-1);
      break;
    case 'close':
      if (call.panel) call.show(call.panel);
  }
}
