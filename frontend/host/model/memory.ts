const key = 'porch.call';

/** What this window remembers while it is loaded again: the link whose call it was in. */
export const memory = {
  get call(): string | undefined {
    return sessionStorage.getItem(key) ?? undefined;
  },
  set call(link: string | undefined) {
    if (link === undefined) sessionStorage.removeItem(key);
    else sessionStorage.setItem(key, link);
  },
};
