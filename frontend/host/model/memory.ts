const call = 'porch.call';
const theme = 'porch.theme';

/** What this window remembers: while it is loaded again the link whose call it was in, and for good how it looked. */
export const memory = {
  get call(): string | undefined {
    return sessionStorage.getItem(call) ?? undefined;
  },
  set call(link: string | undefined) {
    if (link === undefined) sessionStorage.removeItem(call);
    else sessionStorage.setItem(call, link);
  },
  get theme(): string | undefined {
    return localStorage.getItem(theme) ?? undefined;
  },
  set theme(name: string | undefined) {
    if (name === this.theme) return;
    if (name === undefined) localStorage.removeItem(theme);
    else localStorage.setItem(theme, name);
  },
};
