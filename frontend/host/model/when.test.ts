import { afterEach, describe, expect, it } from 'vitest';
import { ago, capital, dayAndTime, duration, nextHour } from './when';

const local = (...parts: [number, number, number, number, number]) => new Date(...parts).getTime();
const now = local(2026, 4, 20, 15, 0);

describe('dayAndTime', () => {
  it.each([
    [local(2026, 4, 20, 0, 1), 'today, 00:01'],
    [local(2026, 4, 20, 14, 2), 'today, 14:02'],
    [local(2026, 4, 19, 23, 59), 'yesterday, 23:59'],
    [local(2026, 4, 18, 9, 30), '18 May'],
    [local(2025, 11, 31, 18, 0), '31 December 2025'],
  ])('%d', (at, want) => expect(dayAndTime(at, now, 'en-GB')).toBe(want));

  it('has the time of every day when asked for it', () =>
    expect(dayAndTime(local(2026, 4, 18, 9, 30), now, 'en-GB', true)).toBe('18 May, 09:30'));

  it('begins a line with a capital', () =>
    expect(capital('today, 14:02', 'en')).toBe('Today, 14:02'));

  it('has the comma of its language', () => {
    expect(dayAndTime(now, now, 'ar')).toMatch(/^اليوم، /);
    expect(dayAndTime(now, now, 'ja')).toMatch(/^今日 \d/);
    expect(dayAndTime(now, now, 'zh-Hans')).toMatch(/^今天 \d/);
  });
  it('speaks the language it is asked for', () =>
    expect(dayAndTime(local(2026, 4, 19, 9, 5), now, 'de')).toBe('gestern, 09:05'));
});

describe('a computer that travels', () => {
  const { TZ } = process.env;
  afterEach(() => {
    if (TZ === undefined) delete process.env.TZ;
    else process.env.TZ = TZ;
  });

  it('has the time of where it is, also on days on which it was another', () => {
    const summer = Date.UTC(2026, 6, 1, 12);
    process.env.TZ = 'Europe/Berlin';
    expect(dayAndTime(summer, summer, 'en-GB')).toBe('today, 14:00');
    process.env.TZ = 'Africa/Lagos'; // Berlin's time, but all year
    expect(dayAndTime(summer, summer, 'en-GB')).toBe('today, 13:00');
  });
});

describe('ago', () => {
  it.each([
    [now, 'now'],
    [now + 5000, 'now'],
    [now - 1000, '1s ago'],
    [now - 59_999, '59s ago'],
    [now - 60_000, '1m ago'],
    [now - 3_599_000, '59m ago'],
    [now - 7_300_000, '2h ago'],
  ])('%d', (at, want) => expect(ago(at, now, 'en')).toBe(want));
});

describe('how long something was', () => {
  it.each([
    [-5, '0 sec'],
    [45_000, '45 sec'],
    [12 * 60_000, '12 min'],
    [60 * 60_000, '1 hr'],
    [125 * 60_000, '2 hr 5 min'],
  ])('%d ms reads “%s”', (milliseconds, text) =>
    expect(
      duration(milliseconds, 'en-GB')
        .replaceAll('hrs', 'hr')
        .replaceAll('mins', 'min')
        .replaceAll('secs', 'sec'),
    ).toBe(text),
  );
});

it('the next full hour is after now', () => {
  expect(nextHour(new Date(2026, 4, 3, 23, 59, 59).getTime())).toBe(new Date(2026, 4, 4).getTime());
  expect(nextHour(new Date(2026, 4, 3, 14).getTime())).toBe(new Date(2026, 4, 3, 15).getTime());
});
