import type { Plugin } from 'vite';

/**
 * Settles for good what Svelte leaves open until a page runs: our pages are drawn by the browser alone (nothing is
 * hydrated) and are written for Svelte 5 without its experiments. A bundler keeps what hangs on a variable that could
 * change, and drops what hangs on a constant.
 */
export function never(): Plugin {
  const switches = new Map([
    [
      /\/svelte\/src\/internal\/flags\/index\.js$/,
      ['async_mode_flag', 'legacy_mode_flag', 'tracing_mode_flag'],
    ],
    [/\/svelte\/src\/internal\/client\/dom\/hydration\.js$/, ['hydrating']],
  ]);

  return {
    name: 'porch:never',
    apply: 'build',
    transform(code, id) {
      const names = [...switches].find(([path]) => path.test(id))?.[1];
      if (!names) return;
      for (const name of names) {
        const open = `export let ${name} = false;`;
        if (!code.includes(open)) throw new Error(`Svelte has no ${name} any more`);
        code = code
          .replace(open, `export const ${name} = false;`)
          .replace(new RegExp(`^\\t${name} = \\w+;$`, 'gm'), '');
      }
      return { code, map: null };
    },
  };
}
