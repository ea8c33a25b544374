// Compiles messages/*/*.json into the functions of src/i18n/generated. Nothing
// is fetched: the plugin that reads the files comes from node_modules.
import { fileURLToPath } from 'node:url';
import { compile } from '@inlang/paraglide-js';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

await compile({
  project: here('../project.inlang'),
  outdir: here('../src/i18n/generated'),
  strategy: ['localStorage', 'preferredLanguage', 'baseLocale'],
  localStorageKey: 'porch.language',
  isServer: 'false',
  emitGitIgnore: false,
  emitReadme: false,
  emitPrettierIgnore: false,
});

// A timer of the SDK would keep the process for another half minute.
process.exit(0);
