import { base } from '$src/i18n/say';

const minute = 60_000;

/**
 * A moment as people say it: "today, 14:02", "yesterday, 09:30", "12 March", with
 * the year when it is another. always adds the time to every day.
 */
export function dayAndTime(at: number, now: number, locale: string, always = false): string {
  const then = new Date(at);
  const time = () => dates(locale, 'time').format(then);
  const days = Math.round((midnight(then) - midnight(new Date(now))) / (24 * 60 * minute));
  if (days === 0 || days === -1)
    return `${passed(locale, 'long').format(days, 'day')}${comma(locale)}${time()}`;
  const sameYear = then.getFullYear() === new Date(now).getFullYear();
  const day = dates(locale, sameYear ? 'day' : 'dayOfYear').format(then);
  return always ? `${day}${comma(locale)}${time()}` : day;
}

/** What stands between a day and a time. */
const comma = (locale: string): string => ({ ar: '، ', ja: ' ', zh: ' ' })[base(locale)] ?? ', ';

/** The same with a capital, where it begins a line. */
export function capital(text: string, locale: string): string {
  return text.charAt(0).toLocaleUpperCase(locale) + text.slice(1);
}

const parts = {
  time: { timeStyle: 'short' },
  day: { day: 'numeric', month: 'long' },
  dayOfYear: { day: 'numeric', month: 'long', year: 'numeric' },
} satisfies Record<string, Intl.DateTimeFormatOptions>;

const dates = once(
  (locale: string, part: keyof typeof parts) => new Intl.DateTimeFormat(locale, parts[part]),
);
const passed = once(
  (locale: string, style: Intl.RelativeTimeFormatStyle) =>
    new Intl.RelativeTimeFormat(locale, { numeric: 'auto', style }),
);

/** A browser takes its time to make a format: each is made once, and anew where the computer's time zone has changed. */
// Zones that agree today need not agree on another day.
function once<How extends string, T>(make: (locale: string, how: How) => T) {
  const made = new Map<string, T>();
  return (locale: string, how: How): T => {
    const zone = [0, 3, 6, 9].map((month) => new Date(2026, month).getTimezoneOffset());
    const key = `${locale} ${how} ${zone} ${new Date().getTimezoneOffset()}`;
    const format = made.get(key) ?? make(locale, how);
    made.set(key, format);
    return format;
  };
}

/** A moment of today: "14:02". */
export const timeOf = (at: number, locale: string): string =>
  dates(locale, 'time').format(new Date(at));

/** How long ago, in one unit: "12s ago", "3 min ago". Clocks that disagree read as now. */
export function ago(at: number, now: number, locale: string): string {
  const format = passed(locale, 'narrow');
  const since = Math.max(0, now - at);
  if (since < minute) return format.format(-Math.floor(since / 1000), 'second');
  if (since < 60 * minute) return format.format(-Math.floor(since / minute), 'minute');
  return format.format(-Math.floor(since / (60 * minute)), 'hour');
}

/** How long something was, in its largest units: "45 sec", "12 min", "1 hr, 5 min". */
export function duration(milliseconds: number, locale: string): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  if (seconds < 60) return unit(locale, 'second').format(seconds);
  const parts = minutes || !hours ? [unit(locale, 'minute').format(minutes)] : [];
  if (hours) parts.unshift(unit(locale, 'hour').format(hours));
  return parts.join(' ');
}

const unit = once(
  (locale: string, of: 'second' | 'minute' | 'hour') =>
    new Intl.NumberFormat(locale, { style: 'unit', unit: of, unitDisplay: 'short' }),
);

/** The next full hour on this computer's clock, in Unix milliseconds. */
export const nextHour = (now: number): number => new Date(now).setMinutes(60, 0, 0);

function midnight(date: Date): number {
  return Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
}
