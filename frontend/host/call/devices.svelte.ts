import { untrack } from 'svelte';
import type { Choice, MediaEngine } from '$src/media/engine';
import type { Settings } from '../model/backend';

/**
 * Keeps an engine's devices and the settings the same: what is chosen in a call
 * is kept, and what is chosen in the settings counts at once.
 */
export function followDevices(
  engine: () => MediaEngine | undefined,
  settings: () => Settings,
  save: (change: Choice) => void,
): void {
  const wanted = () => {
    const { camera, microphone, speaker, sound, effect } = settings();
    return { camera, microphone, speaker, sound, effect };
  };
  let kept: Choice | undefined; // of the engine, as seen last

  $effect(() => {
    const choice = engine()?.choice;
    untrack(() => {
      if (choice && kept && !same(choice, kept) && !same(choice, wanted())) save(choice);
      kept = choice && { ...choice };
    });
  });

  $effect(() => {
    const choice = wanted();
    untrack(() => {
      const to = engine();
      if (to && !same(to.choice, choice)) void to.choose(choice);
    });
  });
}

const same = (one: Choice, other: Choice): boolean =>
  one.camera === other.camera &&
  one.microphone === other.microphone &&
  one.speaker === other.speaker &&
  one.sound === other.sound &&
  one.effect === other.effect;
