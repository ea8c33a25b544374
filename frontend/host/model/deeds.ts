import { m } from '$src/i18n';
import { isolated } from '$src/ui/names';
import type { DeedView } from './backend';

const sentences = new Map<string, (said: { by: string; name: string }) => string>([
  ['admit', m.host_deed_admit],
  ['decline', m.host_deed_decline],
  ['mute', m.host_deed_mute],
  ['remove', m.host_deed_remove],
  ['moved', m.host_deed_moved],
]);

/** What a co-host has done in the host's name, or a guest without asking. */
export const deedSentence = ({ deed, by, name }: DeedView): string =>
  sentences.get(deed)?.({ by: isolated(by), name: isolated(name) }) ?? '';
