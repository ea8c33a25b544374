import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { isName, isolated, shows } from './names';

interface Row {
  name: string;
  clean: string;
  valid: boolean;
}

// What the host is held to as well: backend/signalling/text_test.go, TestNames.
const rows: Row[] = JSON.parse(
  readFileSync(new URL('../../../backend/signalling/testdata/names.json', import.meta.url), 'utf8'),
);

describe('a name', () => {
  it.each(rows.map((row) => [JSON.stringify(row.name), row] as const))(
    '%s is one for the page as for the host',
    (_, row) => {
      expect(shows(row.name)).toBe(row.clean !== '');
      expect(isName(row.name)).toBe(row.valid);
      expect(isName(row.clean)).toBe(row.valid);
    },
  );

  it('is isolated where it is written from right to left', () => {
    expect(isolated('שרה')).toBe('\u2068שרה\u2069');
    expect(isolated('Sara سارة')).toBe('\u2068Sara سارة\u2069');
    for (const name of ['Ada', '李明', '🇨🇭', '']) expect(isolated(name)).toBe(name);
  });
});
