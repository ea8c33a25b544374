import type { Layers } from '$src/transport';

/** What a picture takes at most, in bit/s: more gains nothing at 720p. */
const most = 1_500_000;

/** What the host wants of one layer of the own picture; '' is the only one there is. */
function wantedOf(layers: Layers | undefined, rid = ''): { active: boolean; maxBitrate: number } {
  const layer = layers?.video.find((layer) => (layer.rid ?? '') === rid);
  return {
    active: layer?.active ?? true,
    maxBitrate: Math.min(most, layer?.maxBitrate || most),
  };
}

/** The layer with which a picture of several begins: half of the camera's size. */
const first = 'h';

/** What a picture's one or more encodings are to do now. */
export interface Wish {
  /** The host's. */
  layers: Layers | undefined;
  /** Whether somebody may see it; otherwise whether somebody is expected. */
  seen: boolean;
  expecting: boolean;
  /** The picture is large and new: it begins small. 'growing' is the time in which both sizes are sent. */
  size: 'small' | 'growing' | 'full';
  /** Pictures a second. */
  rate: number;
  /** Of the camera's picture, in pixels. */
  width: number;
  height: number;
}

/**
 * Which of the layers with these RIDs, the lowest first, are to be sent. At least one is, if any is wanted: a browser that
 * scales layers itself (cuts) sends fewer of a small camera, the first ones, whatever is asked of the others.
 */
function activeOf(rids: readonly string[], wish: Wish, cuts: boolean): Set<string> {
  const { layers, seen, expecting, size, width, height } = wish;
  const top = rids.at(-1)!;
  const named = seen && layers?.video.some(({ rid }) => rid);
  const active = new Set(
    named
      ? rids.filter((rid) => wantedOf(layers, rid).active)
      : (seen ? wantedOf(layers).active : expecting)
        ? [first]
        : [],
  );
  if (active.has(top) && size !== 'full') {
    active.add(first);
    if (size === 'small') active.delete(top);
  }
  const there = rids.slice(0, cuts ? layersOf(width, height) : rids.length);
  if (active.size && !there.some((rid) => active.has(rid))) active.add(there.at(-1)!);
  return active;
}

/** How many layers libwebrtc makes of a picture: its kSimulcastFormats, by pixels. */
function layersOf(width: number, height: number): number {
  const pixels = width * height;
  if (!pixels || pixels >= 960 * 540) return 3;
  return pixels >= 480 * 270 ? 2 : 1;
}

/** Sets the encodings of the own picture: one without a RID, or layers. */
export function instruct(encodings: RTCRtpEncodingParameters[], wish: Wish): void {
  const { layers, seen, expecting, size, rate } = wish;
  // A scale must not be set of layers: Chromium then sends the others in full size.
  const cuts = encodings.every((encoding) => encoding.scaleResolutionDownBy === undefined);
  const rids = encodings.map(({ rid = '' }) => rid);
  const active = rids.length > 1 && activeOf(rids, wish, cuts);
  for (const [at, encoding] of encodings.entries()) {
    const rid = rids[at]!;
    const wanted = wantedOf(layers, rid);
    encoding.maxBitrate = wanted.maxBitrate;
    encoding.maxFramerate = rate; // the same for all, because Chromium takes the least
    if (active) {
      encoding.active = active.has(rid);
    } else {
      encoding.active = seen ? wanted.active : expecting;
      encoding.scaleResolutionDownBy = size === 'small' ? 2 : 1;
    }
  }
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

/**
 * Makes a sender keep a screen's pictures sharp: where the line is short, there are fewer of them. It sends none that nobody
 * takes, as the host says.
 */
export async function tuneScreen(sender: RTCRtpSender, layers?: Layers): Promise<void> {
  const parameters = sender.getParameters();
  const encoding = parameters.encodings?.[0];
  if (!encoding) return;
  const { active = true, maxBitrate } = layers?.screen ?? {};
  const most = Math.min(mostOfScreen, maxBitrate || mostOfScreen);
  if (encoding.active === active && encoding.maxBitrate === most) return;
  encoding.active = active;
  encoding.maxBitrate = most;
  parameters.degradationPreference = 'maintain-resolution';
  await sender.setParameters(parameters);
}
