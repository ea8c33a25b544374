import { languages } from './generated/languages';
import { base, direction, speak } from './say';

type Texts = Parameters<typeof speak>[1];

/** Loads the texts of a page, by language: import.meta.glob of src/i18n/generated/PAGE. */
export type Loaders = Record<string, () => Promise<unknown>>;

/** The first wish that there is a language for, by its name and then by its language alone; else English. */
export function best(wishes: readonly string[]): string {
  const known = [...Object.keys(languages), pseudo];
  for (const wish of wishes) {
    const found =
      known.find((locale) => locale.toLowerCase() === wish.toLowerCase()) ??
      known.find((locale) => base(locale) === base(wish));
    if (found) return found;
  }
  return 'en';
}

/** The language of the tests; nobody is offered it. */
const pseudo = 'en-XA';

/** A module of texts. The guest's page loads the rest of them later. */
interface Module {
  default: Texts;
  rest: () => Promise<Module>;
}

/** The texts of a language that one of these loaders loads. */
export function textsOf(locale: string, loaders: Loaders): Promise<Module> {
  const load = Object.entries(loaders).find(([path]) => path.endsWith(`.${locale}.ts`))![1];
  return load() as Promise<Module>;
}

/** Speaks a language from now on. The document says so to browsers and screen readers. */
export function use(locale: string, texts: Texts): void {
  speak(locale, texts);
  document.documentElement.lang = locale === pseudo ? 'en' : locale;
  document.documentElement.dir = direction(locale);
}
