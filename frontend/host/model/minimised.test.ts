import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { followMinimised } from './minimised';

let minimised: boolean;
let focus: boolean;
let asked: number;
let told: boolean[];
let stop: () => void;
const page = new EventTarget();

beforeEach(() => {
  vi.useFakeTimers();
  [minimised, focus, asked, told] = [false, true, 0, []];
  vi.stubGlobal('document', { hasFocus: () => focus });
  vi.stubGlobal('addEventListener', page.addEventListener.bind(page));
  stop = followMinimised(
    async () => {
      asked++;
      return minimised;
    },
    (now) => told.push(now),
  );
});
afterEach(() => {
  stop();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

it('asks a window in front only when something happens', async () => {
  await pass(60_000);
  expect(asked).toBe(1);
  minimised = true;
  focus = false;
  page.dispatchEvent(new Event('blur'));
  await pass(0);
  expect(told).toEqual([true]);
});

it('sees a window come back that nothing is heard of', async () => {
  focus = false;
  page.dispatchEvent(new Event('blur'));
  await pass(500);
  minimised = true; // from the task bar
  await pass(1000);
  expect(told).toEqual([true]);
  minimised = false;
  await pass(250);
  expect(told).toEqual([true, false]);
});

it('ends', async () => {
  stop();
  minimised = true;
  page.dispatchEvent(new Event('blur'));
  await pass(5000);
  expect(told).toEqual([]);
});

it('takes an app that does not answer for one that is seen', async () => {
  const down: boolean[] = [];
  const end = followMinimised(
    () => Promise.reject(new Error('gone')),
    (now) => down.push(now),
  );
  await pass(5000);
  expect(down).toEqual([]);
  end();
});
