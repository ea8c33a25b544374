const call = 'porch.call';
const theme = 'porch.theme';

/** What this window remembers: while it is loaded again the link whose call it was in, and for good how it looked. */
export const memory = {
  get call(): string | undefined {
    return read(() => sessionStorage, call);
  },
  set call(link: string | undefined) {
    write(() => sessionStorage, call, link);
  },
  get theme(): string | undefined {
    return read(() => localStorage, theme);
  },
  set theme(name: string | undefined) {
    if (name !== this.theme) write(() => localStorage, theme, name);
  },
};

// A store may be full, or refused; nothing that must work depends on it.

function read(store: () => Storage, key: string): string | undefined {
  try {
    return store().getItem(key) ?? undefined;
  } catch {
    return undefined;
  }
}

function write(store: () => Storage, key: string, value: string | undefined): void {
  try {
    if (value === undefined) store().removeItem(key);
    else store().setItem(key, value);
  } catch {
    // It is not remembered.
  }
}
