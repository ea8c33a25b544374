import { dirname, join } from 'node:path';
import type { Plugin } from 'vite';

/**
 * Keeps the given parts of Svelte's runtime out of the first chunk. Components
 * reach all of it through one index, so a bundler puts what any of them needs
 * where the index is: here these parts leave the index, and the components that
 * use them import them themselves.
 *
 * @param parts paths below svelte/src/internal/client
 */
export function later(parts: readonly string[]): Plugin {
  const index = /\/svelte\/src\/internal\/client\/index\.js$/;
  const home = new Map<string, { path: string; name: string }>(); // by name in the index
  const exports = (part: string) =>
    new RegExp(`export \\{([^}]*)\\} from '\\./${part.replaceAll('/', '\\/')}';`, 'g');

  return {
    name: 'porch:later',
    apply: 'build',
    enforce: 'post',
    async buildStart() {
      const found = await this.resolve('svelte/internal/client', import.meta.filename);
      if (!found) throw new Error('svelte/internal/client is not there');
      const { readFile } = await import('node:fs/promises');
      const source = await readFile(found.id, 'utf8');
      for (const part of parts) {
        const lists = [...source.matchAll(exports(part))];
        if (lists.length === 0) throw new Error(`Svelte's index has no ${part} any more`);
        for (const entry of lists.flatMap(([, list]) => list!.split(','))) {
          const [name, as = name] = entry.trim().split(' as ');
          if (name) home.set(as!, { name, path: join(dirname(found.id), part) });
        }
      }
    },
    transform(code, id) {
      if (index.test(id)) {
        return {
          code: parts.reduce((kept, part) => kept.replace(exports(part), ''), code),
          map: null,
        };
      }
      if (!code.includes("from 'svelte/internal/client'")) return;
      const imports = new Set<string>();
      const direct = code.replace(/\$\.(\w+)\b/g, (whole, as: string) => {
        const at = home.get(as);
        if (!at) return whole;
        imports.add(`import { ${at.name} as $later_${as} } from ${JSON.stringify(at.path)};`);
        return `$later_${as}`;
      });
      return imports.size > 0 ? { code: [...imports, direct].join('\n'), map: null } : undefined;
    },
  };
}
