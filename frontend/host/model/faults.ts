import { m } from '$src/i18n';
import { faultOf } from './backend';

/** What a person reads for each fault that a command of the window can meet. */
const sentences: Record<string, () => string> = {
  'times-invalid': m.host_fault_times_invalid,
  'copies-full': m.host_fault_copies_full,
  'link-not-found': m.host_fault_link_not_found,
  'link-removed': m.host_fault_link_removed,
  'link-spent': m.host_fault_link_spent,
  'link-name-invalid': m.host_fault_link_name_invalid,
  'name-invalid': m.host_fault_name_invalid,
  'request-gone': m.host_fault_request_gone,
  'participant-gone': m.host_fault_participant_gone,
  'page-too-old': m.host_fault_page_too_old,
  'call-ended': m.host_fault_call_ended,
  'call-full': m.host_fault_call_full,
  'not-in-call': m.host_fault_not_in_call,
  'disk-full': m.host_fault_disk_full,
  'recording-failed': m.host_fault_recording_failed,
  'recording-behind': m.host_fault_recording_behind,
  'recording-runs': m.host_fault_recording_runs,
  'udp-unavailable': m.host_fault_udp_unavailable,
  'connect-failed': m.host_fault_connect_failed,
  'token-refused': m.host_fault_connect_failed,
  'origin-refused': m.host_fault_connect_failed,
  'camera-missing': m.host_fault_camera_missing,
  'camera-refused': m.host_fault_camera_refused,
  'camera-busy': m.host_fault_camera_busy,
  'camera-lost': m.host_fault_camera_lost,
  'microphone-missing': m.host_fault_microphone_missing,
  'microphone-refused': m.host_fault_microphone_refused,
  'microphone-lost': m.host_fault_microphone_lost,
  'speaker-missing': m.host_fault_speaker_missing,
  'speaker-lost': m.host_fault_speaker_lost,
  'screen-missing': m.host_fault_screen_missing,
  'screen-wayland': m.host_fault_screen_wayland,
  'engine-unavailable': m.host_fault_engine_unavailable,
  'clipboard-unavailable': m.host_fault_clipboard_unavailable,
  'opener-unavailable': m.host_fault_opener_unavailable,
  'notify-unavailable': m.host_fault_notify_unavailable,
  'store-unavailable': m.host_fault_store_unavailable,
  'store-too-new': m.host_fault_store_too_new,
  'store-in-use': m.host_fault_store_in_use,
  'store-damaged': m.host_fault_store_damaged,
  'login-unavailable': m.host_fault_login_unavailable,
  'versions-missing': m.host_fault_versions_missing,
  'versions-tampered': m.host_fault_versions_tampered,
  'versions-old': m.host_fault_versions_old,
  'versions-too-big': m.host_fault_versions_too_big,
  'versions-elsewhere': m.host_fault_versions_elsewhere,
  'port-taken': m.host_fault_port_taken,
  'relay-unreachable': m.host_fault_relay_unreachable,
  'relay-address-invalid': m.host_fault_relay_address_invalid,
  'relay-is-link': m.host_fault_relay_is_link,
  'relay-not-found': m.host_fault_relay_not_found,
  'relays-full': m.host_fault_relays_full,
  'door-unavailable': m.host_fault_door_unavailable,
  'relay-absent': m.host_fault_relay_absent,
  'relay-untrusted': m.host_fault_relay_untrusted,
  'relay-version': m.host_fault_relay_version,
  'relay-full': m.host_fault_relay_full,
  'relay-refused': m.host_fault_relay_refused,
  'invitation-invalid': m.host_fault_invitation_invalid,
  'invitation-wanted': m.host_fault_invitation_wanted,
  'invitation-refused': m.host_fault_invitation_refused,
  'host-not-allowed': m.host_fault_host_not_allowed,
  'line-replaced': m.host_fault_line_replaced,
  'too-many-links': m.host_fault_too_many_links,
  'outside-unreachable': m.host_fault_outside_unreachable,
  'outside-untrusted': m.host_fault_outside_untrusted,
  'outside-elsewhere': m.host_fault_outside_elsewhere,
  'outside-host': m.host_fault_outside_host,
  'outside-sockets': m.host_fault_outside_sockets,
  'funnel-missing': m.host_fault_funnel_missing,
  'funnel-refused': m.host_fault_funnel_refused,
  'too-fast': m.host_fault_too_fast,
  'shutting-down': m.host_fault_shutting_down,
};

/** The sentence for a fault by its code; the app's own English one for a code this window does not know. */
export function sentence(code: string, fallback: string): string {
  if (Object.hasOwn(sentences, code)) return sentences[code]!();
  return code === 'internal' ? m.host_fault_internal() : fallback;
}

/** The sentence for whatever a command rejected with. */
export function sentenceOf(reason: unknown): string {
  const fault = faultOf(reason);
  return sentence(fault.code, fault.message);
}
