import { best, textsOf, use } from '$src/i18n/load';

const words = import.meta.glob('../../src/i18n/generated/host/*.ts');

/** The language for a choice of the settings; '' is the system's. */
export const languageFor = (chosen: string): string => best([chosen, ...navigator.languages]);

/** Loads a language and speaks it from then on. What is drawn already stays as it is. */
export const speakLike = async (locale: string): Promise<void> =>
  use(locale, (await textsOf(locale, words)).default);
