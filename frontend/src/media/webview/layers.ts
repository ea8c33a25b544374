import type { Layers } from '$src/transport';

/** What a picture takes at most, in bit/s: more gains nothing at 720p. */
const most = 1_500_000;

/** What the host wants of one layer of the own picture; '' is the only one there is. */
export function wantedOf(
  layers: Layers | undefined,
  rid = '',
): { active: boolean; maxBitrate: number } {
  const layer = layers?.video.find((layer) => (layer.rid ?? '') === rid);
  return {
    active: layer?.active ?? true,
    maxBitrate: Math.min(most, layer?.maxBitrate || most),
  };
}

/** Makes a sender of sound take what the host wants; undefined or 0 is as much as the browser likes. */
export async function limitSound(sender: RTCRtpSender, maxBitrate?: number): Promise<void> {
  const parameters = sender.getParameters();
  const encoding = parameters.encodings?.[0];
  if (!encoding || (encoding.maxBitrate ?? 0) === (maxBitrate ?? 0)) return;
  if (maxBitrate) encoding.maxBitrate = maxBitrate;
  else delete encoding.maxBitrate;
  await sender.setParameters(parameters);
}

/** What a shared screen takes at most, in bit/s: 1080 lines that scroll. */
const mostOfScreen = 2_500_000;

/** Makes a sender keep a screen's pictures sharp: where the line is short, there are fewer of them. */
export async function tuneScreen(sender: RTCRtpSender): Promise<void> {
  const parameters = sender.getParameters();
  const encoding = parameters.encodings?.[0];
  if (!encoding) return;
  encoding.maxBitrate = mostOfScreen;
  parameters.degradationPreference = 'maintain-resolution';
  await sender.setParameters(parameters);
}
