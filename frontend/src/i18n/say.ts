// Says a message in the page's language: a page loads the texts of one language, and of no other.

/** A text with {inputs}, or its forms by the plural of the input count. */
type Text = string | { [form: string]: string };
type Words = (Text | undefined)[];
type Inputs = Record<string, string | number>;

let words: Words = [];
let language = 'en';
let plurals: Intl.PluralRules | undefined;
let numbers: Intl.NumberFormat | undefined;

/** The message with a number, see generated/messages.ts. */
export function say(number: number, inputs?: Inputs): string {
  const text = words[number] ?? '';
  if (!inputs) return text as string;
  const form = typeof text === 'string' ? text : (text[plural(inputs.count)] ?? text.other ?? '');
  return form.replace(/\{(\w+)\}/g, (_, name) => shown(inputs[name] ?? ''));
}

function plural(count: unknown): string {
  plurals ??= new Intl.PluralRules(language);
  return plurals.select(Number(count));
}

/** An input as it stands in a text: numbers as the language writes them, and words of others as they run by themselves. */
function shown(input: string | number): string {
  if (typeof input === 'number') {
    numbers ??= new Intl.NumberFormat(region(), { useGrouping: false });
    return numbers.format(input);
  }
  return direction(language) === 'rtl' ? `\u2068${input}\u2069` : input;
}

/** The language of the page: a locale of frontend/messages. */
export const getLocale = (): string => language;

/** The language and region that dates and numbers are written in: the system's, when it speaks the page's language. */
export const region = (): string =>
  (globalThis.navigator?.languages ?? []).find((wish) => base(wish) === base(language)) ?? language;

/** From now on messages are said with these texts, in this language; the document is told. */
export function speak(locale: string, texts: Words): void {
  words = texts;
  language = locale;
  plurals = numbers = undefined;
}

/** More texts of the same language, which come after those there are. */
export function sayAlso(texts: Words): void {
  words = [...words, ...texts];
}

export const base = (tag: string): string => tag.split('-')[0]!.toLowerCase();

export const direction = (locale: string): 'ltr' | 'rtl' => (base(locale) === 'ar' ? 'rtl' : 'ltr');
