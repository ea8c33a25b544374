import { expect, it, vi } from 'vitest';
import { amount, duration, percent, rate } from './units';

it('says figures as people read them', () => {
  vi.stubGlobal('navigator', { languages: ['en-GB'] });
  expect([0, 999, 12_345, 2_345_678, 234_567_890, 3_456_789_012].map(amount)).toEqual([
    '0 kB',
    '1 kB',
    '12 kB',
    '2.3 MB',
    '235 MB',
    '3.5 GB',
  ]);
  expect([0, 59_000, 999_499, 999_999, 4_600_000, 41_000_000].map(rate)).toEqual([
    '0 kbit/s',
    '59 kbit/s',
    '999 kbit/s',
    '1 Mbit/s',
    '4.6 Mbit/s',
    '41 Mbit/s',
  ]);
  expect([0, 0.004, 0.0204, 0.5].map(percent)).toEqual(['0%', '0.4%', '2%', '50%']);
  expect([340, 23_400, 300_000].map(duration)).toEqual(['0.3 ms', '23 ms', '300 ms']);
  vi.unstubAllGlobals();
});
