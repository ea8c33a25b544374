import { defineConfig } from 'vite';
import { look } from './vite.look.ts';
import { page } from './vite.shared.ts';

// Only the host has a setting for the look.
export default defineConfig({ ...page('host'), css: { postcss: { plugins: [look] } } });
