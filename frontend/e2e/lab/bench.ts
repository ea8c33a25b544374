// What the latencies have in common: a host's page, a guest who knocks, and what is printed.
import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { chromiumPage, clockwork } from './browsers.js';
import { askToJoin } from './guest.js';
import { createLink } from './host.js';
import { type App, type Lab, root } from './lab.js';

export function percentile(values: number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return (
    sorted[Math.min(sorted.length - 1, Math.ceil((p / 100) * sorted.length) - 1)] ?? Number.NaN
  );
}

/** Prints percentiles of milliseconds, and keeps them in build/bench/latency.txt. */
export function report(what: string, values: number[], budget: string): void {
  const line = `${what}: n=${values.length} p50=${percentile(values, 50).toFixed(0)} ms p95=${percentile(values, 95).toFixed(0)} ms (budget ${budget})`;
  console.log(line);
  mkdirSync(join(root, 'build', 'bench'), { recursive: true });
  appendFileSync(join(root, 'build', 'bench', 'latency.txt'), `${line}\n`);
}

/** Opens the app in a page that runs the clockwork, and makes a link; returns its address. */
export async function openLink(lab: Lab, app: App, host: Page): Promise<string> {
  await host.addInitScript(clockwork);
  await host.goto(app.url);
  return createLink(lab, host);
}

/** A guest's page that runs the clockwork, in which somebody has just pressed Join. */
export async function knock(browser: Browser, address: string, name: string): Promise<Page> {
  const guest = await chromiumPage(browser);
  await guest.addInitScript(clockwork);
  await askToJoin(guest, address, name);
  return guest;
}

/** The name of the host, as guests see it. */
export const hostsName = (host: Page) =>
  host.evaluate<string>('window.go.main.App.Snapshot().then((state) => state.me.name)');
