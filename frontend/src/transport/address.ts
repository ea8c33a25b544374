import { fromBase64url } from './bytes';

/** What a guest needs of a link's address. The secret must not get into a log, a title or a request. */
export interface LinkAddress {
  readonly id: string;
  readonly secret: string;
}

/** Takes `/j/ID` and `#SECRET` apart; undefined when either has another form. */
export function parseLocation(path: string, hash: string): LinkAddress | undefined {
  const id = /^\/j\/([\w-]{22})$/.exec(path)?.[1];
  const secret = /^#([\w-]{22})$/.exec(hash)?.[1];
  if (!id || !secret || !fromBase64url(id, 16) || !fromBase64url(secret, 16)) return undefined;
  return { id, secret };
}
