import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { findAddress } from './findAddress';

interface Row {
  name: string;
  address: string;
  id?: string;
  secret?: string;
  missing?: 'id' | 'secret' | 'both';
}
const file = new URL('../../../backend/sealed/testdata/addresses.json', import.meta.url);
const { addresses, wrapped } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, Row[]>;

const missingOf = ({ id, secret }: { id?: string; secret?: string }) =>
  id ? (secret ? undefined : 'secret') : secret ? 'id' : 'both';

describe('an address in transit', () => {
  it.each([...addresses!, ...wrapped!])('$name', ({ address, id, secret, missing }) => {
    const found = findAddress(address);
    if (missing) expect(missingOf(found)).toBe(missing);
    else expect(found).toEqual({ id, secret });
  });

  it.each(addresses!)('$name, as a browser gives it', ({ address, id, secret, missing }) => {
    const found = findAddress(new URL(address).href);
    if (missing) expect(missingOf(found)).toBe(missing);
    else expect(found).toEqual({ id, secret });
  });
});
