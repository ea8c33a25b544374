// What the laboratory found, as a table for people.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** Lays rows out in columns; the first row is the heading. */
export function table(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  const line = (row: string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  const rule = widths.map((width) => '-'.repeat(width)).join('  ');
  return `${[line(rows[0] ?? []), rule, ...rows.slice(1).map(line)].join('\n')}\n`;
}

export function writeTable(file: string, rows: string[][]): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, table(rows));
}
