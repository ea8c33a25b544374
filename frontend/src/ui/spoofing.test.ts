import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { isName } from './names';

interface Row {
  what: string;
  name: string;
  repeat?: number;
  refused?: boolean;
}

// What strangers may give as a name: backend/signalling/spoofing_test.go, TestSpoofedNames.
const rows: Row[] = JSON.parse(
  readFileSync(
    new URL('../../../backend/signalling/testdata/spoofing.json', import.meta.url),
    'utf8',
  ),
);

describe('a name that was made to be taken for another', () => {
  it.each(rows.map((row) => [row.what, row] as const))(
    '%s is one for the page as for the host',
    (_, row) => {
      expect(isName(row.name.repeat(row.repeat ?? 1))).toBe(!row.refused);
    },
  );
});
