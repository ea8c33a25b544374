import { m } from '$src/i18n';
import type { ReactionWord } from '../model/gestures.svelte';

/** What each reaction is called. */
export const reactionNames: Record<ReactionWord, () => string> = {
  heart: m.call_reaction_heart,
  thumb: m.call_reaction_thumb,
  clap: m.call_reaction_clap,
  laugh: m.call_reaction_laugh,
  wow: m.call_reaction_wow,
  party: m.call_reaction_party,
};
