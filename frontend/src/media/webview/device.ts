/** Why a device is not open, or not the chosen one. */
type Why = 'missing' | 'refused' | 'busy' | 'lost' | 'held';

/**
 * One microphone or camera, from what the person wants of it to what is so. The shell (capture.svelte.ts) does what a state
 * asks for: it opens `asked` in the phase opening, lets the track go when it is not live, and comes back with `time` at due.
 */
export interface Device {
  /** hushed: the system has muted the track, for too short a time to say so; held: for longer. */
  readonly phase: 'off' | 'opening' | 'open' | 'hushed' | 'held' | 'failed';
  /** There is a track. The one before stays while another device is opened. */
  readonly live: boolean;
  /** The person's choice, '' for the system's default. It outlives the device. */
  readonly chosen: string;
  /** What is to be opened: chosen, or '' where that is not there. */
  readonly asked: string;
  /** What the track was opened as. */
  readonly using: string;
  /** The track's device in the list, where it is known. */
  readonly id?: string;
  /** Ids of all devices of this kind, as far as they may be known. */
  readonly listed: readonly string[];
  /** Why it is opened: the person wants it; the track has ended; the system held it; something has changed. */
  readonly reason: 'wish' | 'loss' | 'hold' | 'retry';
  readonly fault?: Why;
  /** The track has been heard or seen: until then, muted may mean slow. */
  readonly proven: boolean;
  /** The list has changed while it was opened. */
  readonly news: boolean;
  /** How often in a row it could not be opened; how often in a row it ended soon. */
  readonly tries: number;
  readonly ends: number;
  /** When `time` is to come, in milliseconds of the clock that next is given. */
  readonly due?: number;
}

export type Event =
  /** The person switches it on, or tries again; or switches it off. */
  | { type: 'want'; on: boolean }
  | { type: 'choose'; id: string }
  /** What was asked for as id is open. */
  | { type: 'opened'; id: string; muted: boolean }
  /** It is not. muted: so is the track of before, if there is one. */
  | { type: 'failed'; id: string; why: 'missing' | 'refused' | 'busy'; muted: boolean }
  /** The track's own events. */
  | { type: 'mute' | 'unmute' | 'ended' }
  /** What is plugged in, and which of it the track is. told: the browser says that this has changed. */
  | { type: 'list'; ids: readonly string[]; id?: string; told: boolean }
  /** The permission has changed. */
  | { type: 'allowed' }
  /** The page is looked at again. */
  | { type: 'front' }
  | { type: 'time' };

/** A mute shorter than this is a hiccup, in milliseconds. */
const hiccup = 500;
/** How long a new track may stay muted before that counts. */
const grace = 5000;
/** How long a track has to last until what went before is forgotten. */
const lasting = 10_000;
/** How often what ends at once is opened again without a pause. */
const often = 3;

export const off: Device = {
  phase: 'off',
  live: false,
  chosen: '',
  asked: '',
  using: '',
  listed: [],
  reason: 'wish',
  proven: false,
  news: false,
  tries: 0,
  ends: 0,
};

const pauseOf = ({ tries }: Device): number => Math.min(30_000, 1000 * 2 ** tries);

/** What is to be opened for the choice as things are: the default where the chosen one is known to be away. */
const aimOf = ({ chosen, listed }: Device): string =>
  listed.length > 0 && !listed.includes(chosen) ? '' : chosen;

/** Not the chosen one, though that could be had. */
const astray = (device: Device): boolean => aimOf(device) !== device.using;

const open = (device: Device, reason: Device['reason'], live: boolean): Device => ({
  ...device,
  phase: 'opening',
  live,
  id: live ? device.id : undefined,
  asked: aimOf(device),
  reason,
  news: false,
  due: undefined,
});

const holds = (device: Device, now: number): Device => ({
  ...device,
  phase: 'open',
  proven: true,
  due: now + lasting,
});

/** Whether it counts as heard or seen: what is so, and until the first answer what is wanted. */
export const counts = ({ phase, live, reason, fault }: Device): boolean =>
  phase === 'opening' ? live || (reason === 'wish' && !fault) : live && phase !== 'held';

/** What becomes of a device by an event. Pure: now is the time in milliseconds. */
export function next(device: Device, event: Event, now: number): Device {
  const { phase, live, fault, ends } = device;
  const held = phase === 'held' || (phase === 'hushed' && device.proven);
  switch (event.type) {
    case 'want':
      if (!event.on)
        return {
          ...device,
          phase: 'off',
          live: false,
          id: undefined,
          fault: undefined,
          due: undefined,
        };
      if (phase === 'opening' || phase === 'hushed' || (phase === 'open' && !fault)) return device;
      return open({ ...device, tries: 0, ends: 0 }, 'wish', live && phase !== 'held');

    case 'choose': {
      const chosen = { ...device, chosen: event.id };
      if (phase === 'off') return chosen;
      if (phase === 'opening') return { ...chosen, asked: aimOf(chosen) };
      if (live && !astray(chosen))
        return fault === 'held' ? chosen : { ...chosen, fault: undefined };
      return open({ ...chosen, tries: 0, ends: 0 }, 'wish', live && phase !== 'held');
    }

    case 'opened': {
      if (phase !== 'opening') return device; // switched off meanwhile: it is let go
      const got: Device = { ...device, live: true, using: event.id, id: undefined, tries: 0 };
      if (event.id !== device.asked || (device.news && astray(got)))
        return open(got, 'retry', true);
      if (!event.muted) return holds({ ...got, fault: undefined }, now);
      // What was held, and begins muted, is held still.
      return fault === 'held'
        ? { ...got, phase: 'held', proven: false, due: undefined }
        : { ...got, phase: 'hushed', proven: false, fault: undefined, due: now + grace };
    }

    case 'failed': {
      const { asked, using, reason } = device;
      const { why } = event;
      if (phase !== 'opening' || event.id !== asked) return device;
      if (device.news) return open(device, reason, live);
      const other = asked !== '' && !(live && using === '');
      // A device that has just been pulled out may be called busy for a moment.
      if (other && (why === 'missing' || (reason === 'loss' && why === 'busy')))
        return { ...device, asked: '' };
      const failed: Device = {
        ...device,
        phase: 'failed',
        fault: why === 'busy' && fault === 'held' ? 'held' : why,
        tries: device.tries + 1,
        due: why === 'busy' ? now + pauseOf(device) : undefined,
      };
      if (why === 'missing' && (reason === 'loss' || fault === 'lost'))
        return { ...failed, fault: 'lost' };
      if (!live) return failed;
      // The one before stays; that another one, which nobody asked for just now, could not be had is no news.
      const kept = { ...failed, fault: reason === 'wish' && why !== 'missing' ? why : undefined };
      return event.muted
        ? { ...kept, phase: 'hushed', due: now + hiccup }
        : { ...kept, phase: 'open' };
    }

    case 'mute':
      return phase === 'open' ? { ...device, phase: 'hushed', due: now + hiccup } : device;

    case 'unmute':
      if (phase === 'hushed' || (phase === 'held' && !device.proven))
        return holds({ ...device, fault: fault === 'held' ? undefined : fault }, now);
      // What comes back may be dead though it is live and unmuted (LiveKit web-sdks#3728): opened afresh.
      return phase === 'held' ? open(device, 'hold', false) : device;

    case 'ended':
      if (!live) return device;
      if (phase === 'opening') return { ...device, live: false, id: undefined, reason: 'loss' };
      if (ends < often) return open({ ...device, ends: ends + 1 }, 'loss', false);
      return {
        ...device,
        phase: 'failed',
        live: false,
        id: undefined,
        fault: 'lost',
        tries: device.tries + 1,
        due: now + pauseOf(device),
      };

    case 'list': {
      const { ids } = event;
      const changed = ids.join() !== device.listed.join();
      const listed = changed ? { ...device, listed: ids } : device;
      // An empty list may be one that is kept from the page.
      const gone = device.id !== undefined && ids.length > 0 && !ids.includes(device.id);
      const again = event.told && fault !== 'refused';
      if (phase === 'opening') {
        const rest = gone ? { ...listed, live: false, id: undefined } : listed;
        return changed ? { ...rest, news: true } : rest;
      }
      if (phase === 'failed') return again ? open(listed, 'retry', false) : listed;
      if (!live) return listed;
      if (gone) return open(listed, 'loss', false);
      // A held one waits for the system: a fresh one would be held as well.
      if ((changed && phase !== 'held' && astray(listed)) || (again && fault === 'busy'))
        return open(listed, 'retry', true);
      const known = event.id !== undefined && ids.includes(event.id) && event.id !== device.id;
      return known ? { ...listed, id: event.id } : listed;
    }

    case 'allowed':
      return fault === 'refused' && phase !== 'opening' ? open(device, 'retry', live) : device;

    case 'front':
      if (held) return open(device, 'hold', false);
      if (phase === 'failed' && fault !== 'refused') return open(device, 'retry', false);
      return phase === 'open' && fault === 'busy' ? open(device, 'retry', true) : device;

    case 'time':
      if (device.due === undefined || now < device.due) return device;
      if (phase === 'hushed') return { ...device, phase: 'held', fault: 'held', due: undefined };
      if (phase === 'failed') return open(device, 'retry', false);
      if (phase === 'open' && (fault === 'busy' || astray(device)))
        return open(device, 'retry', true);
      return { ...device, ends: 0, due: undefined };
  }
}
