import { m } from '$src/i18n';
import type { DeviceFault } from '../../media/engine';

const sentences: Record<DeviceFault, () => string> = {
  'camera-missing': m.call_fault_camera_missing,
  'camera-refused': m.call_fault_camera_refused,
  'camera-busy': m.call_fault_camera_busy,
  'camera-lost': m.call_fault_camera_lost,
  'camera-held': m.call_fault_camera_held,
  'microphone-missing': m.call_fault_microphone_missing,
  'microphone-refused': m.call_fault_microphone_refused,
  'microphone-busy': m.call_fault_microphone_busy,
  'microphone-lost': m.call_fault_microphone_lost,
  'microphone-held': m.call_fault_microphone_held,
  'speaker-missing': m.call_fault_speaker_missing,
  'speaker-lost': m.call_fault_speaker_lost,
  'engine-unavailable': m.call_fault_engine_unavailable,
};

const refusals = new Map<string, () => string>([
  ['not-co-host', m.call_fault_not_co_host],
  ['request-gone', m.call_fault_gone],
  ['participant-gone', m.call_fault_gone],
  ['move-forbidden', m.call_fault_move_forbidden],
  ['file-gone', m.call_file_gone],
  ['file-refused', m.call_file_refused],
  ['files-full', m.call_fault_files_full],
  ['too-fast', m.call_fault_too_fast],
]);

/** The sentence for something that the host has refused, in the host's own words if it is not known here. */
export const refusalOf = (code: string, message: string): string =>
  refusals.get(code)?.() ?? message;

/** The sentence that says what is wrong with a device, and what to do. */
export const sentenceOf = (fault: DeviceFault): string => sentences[fault]();
