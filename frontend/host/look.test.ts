import { readFile } from 'node:fs/promises';
import postcss, { type Rule } from 'postcss';
import { describe, expect, it } from 'vitest';
import { look } from '../vite.look.ts';

const built = async (css: string) => (await postcss([look]).process(css, { from: undefined })).css;

describe('a look', () => {
  it('counts by the system’s wish unless light was chosen, and where dark was', async () => {
    expect(
      await built('@media (prefers-color-scheme: dark) { :root { --a: 1 } p, :root b { c: d } }'),
    ).toBe(
      '@media (prefers-color-scheme: dark) { ' +
        ':root:not([data-theme="light"]) { --a: 1 } ' +
        ':root:not([data-theme="light"]) p, :root:not([data-theme="light"]) b { c: d } } ' +
        ':root[data-theme="dark"] { --a: 1 } ' +
        ':root[data-theme="dark"] p, :root[data-theme="dark"] b { c: d }',
    );
  });

  it('leaves other questions alone, and takes no form that it would get wrong', async () => {
    const coarse = '@media (pointer: coarse) { :root { --target: 44px } }';
    expect(await built(coarse)).toBe(coarse);
    for (const wrong of [
      '@media (prefers-color-scheme: light) { a { b: c } }',
      '@media (prefers-color-scheme: dark) and (width < 9px) { a { b: c } }',
      '@media (prefers-color-scheme: dark) { @supports (a: b) { a { b: c } } }',
    ]) {
      await expect(built(wrong), wrong).rejects.toThrow('a look');
    }
  });

  it('has the same colours for both', async () => {
    const css = await readFile(new URL('../src/ui/tokens.css', import.meta.url), 'utf8');
    const declared: string[] = [];
    postcss.parse(await built(css)).walkRules((rule: Rule) => {
      if (/:not\(|dark/.test(rule.selector)) declared.push(String(rule.nodes.map(String)));
    });
    expect(declared).toHaveLength(2);
    expect(declared[0]).toContain('--bg: #14151a');
    expect(declared[1]).toBe(declared[0]);
  });
});
