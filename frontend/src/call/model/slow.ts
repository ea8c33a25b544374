import { m } from '$src/i18n';
import type { Paused, Slow } from './call.svelte';

/** What a person is told of their own poor line. */
export const slowSentence = (way: Slow): string =>
  ({ down: m.call_slow_down, up: m.call_slow_up, both: m.call_slow_both })[way]();

/** Why a picture stands still. */
export const pausedSentence = (whose: Paused): string =>
  whose === 'line' ? m.call_paused_line() : m.call_paused_host();
