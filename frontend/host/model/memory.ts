import { read, write } from '$src/ui/storage';

const call = 'porch.call';
const theme = 'porch.theme';
const language = 'porch.language';

/** What this window remembers: while it is loaded again the link whose call it was in, and for good how it looked and spoke. */
export const memory = {
  get call(): string | undefined {
    return read(() => sessionStorage, call) || undefined;
  },
  set call(link: string | undefined) {
    write(() => sessionStorage, call, link ?? '');
  },
  get theme(): string | undefined {
    return read(() => localStorage, theme) || undefined;
  },
  set theme(name: string | undefined) {
    if (name !== this.theme) write(() => localStorage, theme, name ?? '');
  },
  get language(): string {
    return read(() => localStorage, language);
  },
  set language(locale: string) {
    if (locale !== this.language) write(() => localStorage, language, locale);
  },
};
