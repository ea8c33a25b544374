import type { Commands, Devices, State } from './backend';

/** A media engine: of the webview, or of the app itself. */
export type EngineName = 'webview' | 'native';

/** What this webview can do by itself. */
export const capability = (): EngineName =>
  'RTCPeerConnection' in globalThis ? 'webview' : 'native';

/** The engines that can run in this window; the first is what "automatic" takes. */
export function possible(can: EngineName, engines: State['engines']): EngineName[] {
  const all: EngineName[] = [];
  if (can === 'webview') all.push('webview');
  if (engines.native) all.push('native');
  return all;
}

/** The engine that a call entered now would use; undefined when there is none. */
export function running(
  setting: string,
  can: EngineName,
  engines: State['engines'],
): EngineName | undefined {
  const all = possible(can, engines);
  return all.find((engine) => engine === setting) ?? all[0];
}

/** The devices that an engine can use. Never rejects: what can't be listed is empty. */
export async function devicesOf(
  engine: EngineName | undefined,
  commands: Pick<Commands, 'devices'>,
): Promise<Devices> {
  const none: Devices = { cameras: [], microphones: [], speakers: [] };
  try {
    if (engine === 'native') return await commands.devices();
    if (engine !== 'webview') return none;
    const found = await navigator.mediaDevices.enumerateDevices();
    const of = (kind: MediaDeviceKind) =>
      found
        // Without permission the webview names none; "default" stands for the system's choice, which has its own line.
        .filter(
          (device) =>
            device.kind === kind && device.deviceId !== '' && device.deviceId !== 'default',
        )
        .map((device) => ({ id: device.deviceId, name: device.label, default: false }));
    return {
      cameras: of('videoinput'),
      microphones: of('audioinput'),
      speakers: of('audiooutput'),
    };
  } catch {
    return none;
  }
}
