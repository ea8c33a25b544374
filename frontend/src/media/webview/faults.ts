/**
 * What a failed getUserMedia says about a device (W3C Media Capture and
 * Streams, section 10.2): refused by the person or the system, not there, or
 * held by another program. Whatever else fails is taken as busy: trying again
 * is the best advice.
 */
export function whyOf(error: unknown): 'refused' | 'missing' | 'busy' {
  switch (error instanceof Error ? error.name : '') {
    case 'NotAllowedError':
    case 'SecurityError':
    case 'PermissionDeniedError':
      return 'refused';
    case 'NotFoundError':
    case 'DevicesNotFoundError':
    case 'OverconstrainedError':
    case 'TypeError': // no mediaDevices in this page
      return 'missing';
    default:
      return 'busy';
  }
}
