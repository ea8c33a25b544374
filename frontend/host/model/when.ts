const minute = 60_000;

/**
 * A moment as people say it: "today, 14:02", "yesterday, 09:30", "12 March", with
 * the year when it is another. always adds the time to every day.
 */
export function dayAndTime(at: number, now: number, locale: string, always = false): string {
  const then = new Date(at);
  const time = new Intl.DateTimeFormat(locale, { timeStyle: 'short' }).format(then);
  const days = Math.round((midnight(then) - midnight(new Date(now))) / (24 * 60 * minute));
  if (days === 0 || days === -1) {
    const day = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' }).format(days, 'day');
    return `${day}, ${time}`;
  }
  const sameYear = then.getFullYear() === new Date(now).getFullYear();
  const day = new Intl.DateTimeFormat(locale, {
    day: 'numeric',
    month: 'long',
    ...(sameYear ? {} : { year: 'numeric' }),
  }).format(then);
  return always ? `${day}, ${time}` : day;
}

/** The same with a capital, where it begins a line. */
export function capital(text: string, locale: string): string {
  return text.charAt(0).toLocaleUpperCase(locale) + text.slice(1);
}

/** The browser takes its time to make one: the last is kept. */
let made: { locale: string; format: Intl.RelativeTimeFormat } | undefined;

function passing(locale: string): Intl.RelativeTimeFormat {
  if (made?.locale !== locale) {
    const format = new Intl.RelativeTimeFormat(locale, { numeric: 'auto', style: 'narrow' });
    made = { locale, format };
  }
  return made.format;
}

/** How long ago, in one unit: "12s ago", "3 min ago". Clocks that disagree read as now. */
export function ago(at: number, now: number, locale: string): string {
  const format = passing(locale);
  const passed = Math.max(0, now - at);
  if (passed < minute) return format.format(-Math.floor(passed / 1000), 'second');
  if (passed < 60 * minute) return format.format(-Math.floor(passed / minute), 'minute');
  return format.format(-Math.floor(passed / (60 * minute)), 'hour');
}

function midnight(date: Date): number {
  return Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
}
