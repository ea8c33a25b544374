import type { Plugin } from 'postcss';

/**
 * Lets a page be light or dark against the system's wish: with data-theme="light" or "dark" on its root, what is asked of
 * `@media (prefers-color-scheme: dark)` counts as the attribute says. Done to the style sheets as they are built, so that
 * dark colours are written down once, and a page without the choice does not carry it.
 */
export const look: Plugin = {
  postcssPlugin: 'porch-look',
  Once(sheet, { Rule }) {
    sheet.walkAtRules('media', (media) => {
      if (!media.params.includes('prefers-color-scheme')) return;
      if (media.params !== '(prefers-color-scheme: dark)') {
        throw media.error('a look goes with (prefers-color-scheme: dark) alone');
      }
      const chosen = [];
      for (const rule of media.nodes ?? []) {
        if (rule.type === 'comment') continue;
        if (!(rule instanceof Rule)) throw rule.error('a look is made of plain rules');
        chosen.push(rule.clone({ selectors: rule.selectors.map(under('[data-theme="dark"]')) }));
        rule.selectors = rule.selectors.map(under(':not([data-theme="light"])'));
      }
      media.after(chosen);
    });
  },
};

const under = (condition: string) => (selector: string) =>
  selector.startsWith(':root')
    ? selector.replace(':root', `:root${condition}`)
    : `:root${condition} ${selector}`;
