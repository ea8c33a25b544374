import { expect, it } from 'vitest';
import { Switch } from './switch.svelte.ts';

const device = (works = true) => {
  const waiting: (() => void)[] = [];
  const self = {
    on: false,
    tried: [] as boolean[],
    answer: () => waiting.shift()!(),
    apply: (on: boolean) =>
      new Promise<void>((done) => {
        self.tried.push(on);
        waiting.push(() => {
          if (works) self.on = on;
          done();
        });
      }),
  };
  return self;
};

it('shows the wish while it is under way, then what is', async () => {
  const lamp = device();
  const sw = new Switch(() => lamp.on, lamp.apply);
  const done = sw.toggle();
  expect([sw.shown, sw.actual, sw.pending]).toEqual([true, false, true]);
  lamp.answer();
  await done;
  expect([sw.shown, sw.actual, sw.pending]).toEqual([true, true, false]);
});

it('falls back to what is when the wish fails, and does not try for ever', async () => {
  const lamp = device(false);
  const sw = new Switch(() => lamp.on, lamp.apply);
  const done = sw.set(true);
  lamp.answer();
  await done;
  expect([sw.shown, sw.desired, sw.pending]).toEqual([false, false, false]);
  expect(lamp.tried).toEqual([true]);
});

it('lets the last of several wishes win', async () => {
  const lamp = device();
  const sw = new Switch(() => lamp.on, lamp.apply);
  const done = sw.set(true);
  void sw.set(false);
  void sw.set(true);
  void sw.set(false);
  expect(sw.shown).toBe(false);
  lamp.answer();
  await Promise.resolve();
  await Promise.resolve();
  lamp.answer();
  await done;
  expect(lamp.tried).toEqual([true, false]);
  expect(lamp.on).toBe(false);
});

it('tells that it is to stay off, though it is off by itself', async () => {
  const lamp = device(false);
  const sw = new Switch(() => lamp.on, lamp.apply);
  const on = sw.set(true); // a microphone that is gone: talking while a key is held
  lamp.answer();
  await on;
  const off = sw.set(false);
  lamp.answer();
  await off;
  expect(lamp.tried).toEqual([true, false]);
});
