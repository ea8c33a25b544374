import { m, region } from '$src/i18n';

// Figures as a person reads them, in the language and region of the page.

const number = (n: number, digits: number, options: Intl.NumberFormatOptions = {}) =>
  new Intl.NumberFormat(region(), { maximumFractionDigits: digits, ...options }).format(n);

/** Two digits are enough to compare by. */
const digits = (n: number) => (n < 10 ? 1 : 0);

/** An amount of data, from bytes. */
export function amount(bytes: number): string {
  const [n, unit] =
    bytes >= 1e9
      ? [bytes / 1e9, 'gigabyte']
      : bytes >= 1e6
        ? [bytes / 1e6, 'megabyte']
        : [bytes / 1e3, 'kilobyte'];
  return number(n, digits(n), { style: 'unit', unit });
}

/** A rate, from bit/s. */
export function rate(bits: number): string {
  if (bits < 999_500) return m.call_details_kilobits({ n: number(bits / 1e3, 0) });
  return m.call_details_megabits({ n: number(bits / 1e6, bits < 1e7 ? 2 : 1) });
}

/** A part of a whole, from 0 to 1. */
export const percent = (part: number) =>
  number(part, part > 0 && part < 0.1 ? 1 : 0, { style: 'percent' });

/** A duration, from microseconds. */
export const duration = (microseconds: number) =>
  number(microseconds / 1e3, microseconds < 10_000 ? 1 : 0, {
    style: 'unit',
    unit: 'millisecond',
  });

/** A count. */
export const count = (n: number) => number(n, 0);
