import { expect, it } from 'vitest';
import { type Press, shortcutOf } from './shortcuts';

const press = (key: string, more: Partial<Press> = {}): Press => ({
  key,
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  repeat: false,
  isComposing: false,
  keyCode: 0,
  code: '',
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

it('finds its keys on keyboards with other letters', () => {
  expect(shortcutOf(press('ь', { code: 'KeyM' }))).toBe('mute'); // Russian
  expect(shortcutOf(press('М', { code: 'KeyV' }))).toBe('camera');
  expect(shortcutOf(press('μ', { code: 'KeyM' }))).toBe('mute'); // Greek
  expect(shortcutOf(press('צ', { code: 'KeyM' }))).toBe('mute'); // Hebrew
  expect(shortcutOf(press('ة', { code: 'KeyM' }))).toBe('mute'); // Arabic
  expect(shortcutOf(press('ㅡ', { code: 'KeyM' }))).toBe('mute'); // Korean
  expect(shortcutOf(press('؟', { code: 'Slash' }))).toBe('help');
  // Latin letters are what they say: M of a French keyboard is elsewhere.
  expect(shortcutOf(press('m', { code: 'Semicolon' }))).toBe('mute');
  expect(shortcutOf(press(',', { code: 'KeyM' }))).toBeUndefined();
  expect(shortcutOf(press('é', { code: 'KeyM' }))).toBeUndefined();
});

it('leaves the system’s own and held keys alone', () => {
  for (const more of [
    { ctrlKey: true },
    { metaKey: true },
    { altKey: true },
    { repeat: true },
    { isComposing: true },
    { keyCode: 229 },
  ]) {
    expect(shortcutOf(press('m', more))).toBeUndefined();
  }
});
