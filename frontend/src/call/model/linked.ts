/** A piece of a text: words, or an address that can be opened. */
export type Piece = string | { href: string; text: string };

/** What may be an address: it has a scheme that is ours, or begins as people write them. */
const candidate = /(?:https?:\/\/|www\.)[^\s\p{Cc}<>"'`{}|\\^]{1,1990}/giu;

/** What stands behind an address and is not of it. */
const behind = '.,;:!?…\'"»”’*_~-،。、，；：！？';
const brackets = ['()', '[]'];

const count = (text: string, character: string): number => text.split(character).length - 1;

/** Without what a sentence puts behind an address; a bracket stays if it was opened within. */
function trimmed(text: string): string {
  const unopened = new Map(
    brackets.map(([open, close]) => [close!, count(text, close!) - count(text, open!)]),
  );
  let end = text.length;
  for (; end > 0; end--) {
    const last = text[end - 1]!;
    const left = unopened.get(last) ?? 0;
    if (left > 0) unopened.set(last, left - 1);
    else if (!behind.includes(last)) break;
  }
  return text.slice(0, end);
}

/** The host of an address as it is written, without its port. */
const hostIn = (written: string): string =>
  written
    .replace(/^https?:\/+/i, '')
    .replace(/[/?#].*$/s, '')
    .replace(/:\d*$/, '')
    .toLowerCase();

/** An address that leads where it seems to lead: of the web, without a name before the host, and with a host that has a dot. */
function hrefOf(text: string): URL | undefined {
  let url: URL;
  try {
    url = new URL(/^www\./i.test(text) ? `https://${text}` : text);
  } catch {
    return undefined;
  }
  const { protocol, username, password, hostname } = url;
  if ((protocol !== 'https:' && protocol !== 'http:') || username !== '' || password !== '')
    return undefined;
  if (
    !/^(?:localhost|\[[0-9a-f:.]+\]|[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z0-9-]*[a-z0-9])$/.test(
      hostname,
    )
  )
    return undefined;
  return url;
}

/**
 * A text of a stranger with its addresses apart. What is shown of an address is what was written, unless its host's name has
 * other letters than English ones: these can look like others, so then it is shown as it is really spelt. Nothing of the text
 * is lost, and nothing but http and https becomes an address.
 */
export function linked(text: string): Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  for (const match of text.matchAll(candidate)) {
    const { index } = match;
    // In the middle of a word it is none, as in an address of mail.
    if (index > 0 && /[\p{L}\p{N}@/.]/u.test(text[index - 1]!)) continue;
    const written = trimmed(match[0]);
    const url = hrefOf(written);
    if (!url) continue;
    const host = hostIn(written);
    const plain = host === url.hostname;
    // A number that stands for an address is none that people write.
    if (!plain && !/[^ -~]/.test(host)) continue;
    if (index > from) pieces.push(text.slice(from, index));
    pieces.push({ href: url.href, text: plain ? written : url.href });
    from = index + written.length;
  }
  if (from < text.length) pieces.push(text.slice(from));
  return pieces;
}
