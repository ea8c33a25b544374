/** Bytes that WebCrypto and WebSocket take: never a view of shared memory. */
export type Bytes = Uint8Array<ArrayBuffer>;

export const toBase64url = (bytes: Uint8Array): string =>
  btoa(String.fromCharCode(...bytes)).replace(/[+/=]/g, (c) => ({ '+': '-', '/': '_' })[c] ?? '');

/** The bytes of a base64url text, if it is the one text (RFC 4648 section 5, no padding) of `size` bytes. */
export function fromBase64url(text: string, size: number): Bytes | undefined {
  if (text.length !== Math.ceil((size * 4) / 3) || !/^[\w-]*$/.test(text)) return undefined;
  const bytes = Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (c) =>
    c.charCodeAt(0),
  );
  return toBase64url(bytes) === text ? bytes : undefined;
}

export const fromText = (text: string): Bytes => new TextEncoder().encode(text);

export function concat(...parts: Uint8Array[]): Bytes {
  const all = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

export const randomToken = (): string => toBase64url(crypto.getRandomValues(new Uint8Array(16)));
