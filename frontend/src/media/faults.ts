import type { DeviceFault } from '$src/call/engine';

type DeviceKind = 'camera' | 'microphone';

/**
 * What a failed getUserMedia says about a device (W3C Media Capture and
 * Streams, section 10.2): refused by the person or the system, not there, or
 * held by another program. Whatever else fails is taken as busy: trying again
 * is the best advice.
 */
export function faultOf(kind: DeviceKind, error: unknown): DeviceFault {
  switch (error instanceof Error ? error.name : '') {
    case 'NotAllowedError':
    case 'SecurityError':
    case 'PermissionDeniedError':
      return `${kind}-refused`;
    case 'NotFoundError':
    case 'DevicesNotFoundError':
    case 'OverconstrainedError':
    case 'TypeError': // no mediaDevices in this page
      return `${kind}-missing`;
    default:
      return `${kind}-busy`;
  }
}
