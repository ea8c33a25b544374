import { expect, it } from 'vitest';
import { type Press, shortcutOf } from './shortcuts';

const press = (key: string, more: Partial<Press> = {}): Press => ({
  key,
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  repeat: false,
  isComposing: false,
  ...more,
});

it('knows its keys, whatever the case', () => {
  expect(shortcutOf(press('m'))).toBe('mute');
  expect(shortcutOf(press('M'))).toBe('mute');
  expect(shortcutOf(press('v'))).toBe('camera');
  expect(shortcutOf(press(' '))).toBe('talk');
  expect(shortcutOf(press('?'))).toBe('help');
  expect(shortcutOf(press('Escape'))).toBe('close');
  expect(shortcutOf(press('x'))).toBeUndefined();
});

it('leaves the system’s own and held keys alone', () => {
  for (const more of [
    { ctrlKey: true },
    { metaKey: true },
    { altKey: true },
    { repeat: true },
    { isComposing: true },
  ]) {
    expect(shortcutOf(press('m', more))).toBeUndefined();
  }
});
