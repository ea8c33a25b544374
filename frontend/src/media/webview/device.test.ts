import { describe, expect, it } from 'vitest';
import { counts, type Device, type Event, next, off } from './device';

/** All orders of the given things. */
function* orders<T>(of: readonly T[]): Generator<T[]> {
  if (of.length === 0) yield [];
  for (const [at, first] of of.entries())
    for (const rest of orders(of.toSpliced(at, 1))) yield [first, ...rest];
}

/** All sequences of so many of the given things. */
function* sequences<T>(of: readonly T[], length: number): Generator<T[]> {
  if (length === 0) yield [];
  else for (const rest of sequences(of, length - 1)) for (const last of of) yield [...rest, last];
}

/** A computer with devices, the first of which is its default, and a page that does what next says. */
class World {
  device = off;
  plugged = ['built-in', 'headset'];
  /** The system holds whatever microphone there is; another program has it; the person does not allow it. */
  holding = false;
  busy = false;
  forbidden = false;
  now = 0;
  opened = 0;
  /** The track, and what it was opened for. */
  track?: { device: string; muted: boolean; ended: boolean };

  hear(event: Event): void {
    this.device = next(this.device, event, this.now);
    for (let left = 20; this.device.phase === 'opening'; left--) {
      if (left === 0) throw new Error('opens without end');
      if (!this.device.live) this.track = undefined;
      this.device = next(this.device, this.open(), this.now);
      if (this.device.phase !== 'opening') this.list(false);
    }
    if (!this.device.live) this.track = undefined;
    // What has to hold always.
    const { phase, due, live, fault } = this.device;
    const sound =
      live === (this.track !== undefined) &&
      live === (phase === 'open' || phase === 'hushed' || phase === 'held') &&
      counts(this.device) === (phase === 'open' || phase === 'hushed') &&
      (due !== undefined || !(phase === 'hushed' || (phase === 'failed' && fault === 'busy'))) &&
      (fault !== undefined || !(phase === 'held' || phase === 'failed')) &&
      (fault === undefined || phase !== 'off');
    if (!sound) throw new Error(`after ${event.type}: ${JSON.stringify(this.device)}`);
  }

  private open(): Event {
    this.opened++;
    const { asked: id } = this.device;
    const muted = this.track?.muted ?? false;
    if (this.forbidden) return { type: 'failed', id, why: 'refused', muted };
    const device = id === '' ? this.plugged[0] : this.plugged.find((one) => one === id);
    if (!device) return { type: 'failed', id, why: 'missing', muted };
    if (this.busy) return { type: 'failed', id, why: 'busy', muted };
    this.track = { device, muted: this.holding, ended: false };
    return { type: 'opened', id, muted: this.holding };
  }

  list(told: boolean): void {
    this.hear({ type: 'list', ids: this.plugged, id: this.track?.device, told });
  }

  /** Lets time pass, and whatever is due come. */
  wait(milliseconds: number): void {
    const end = this.now + milliseconds;
    for (let left = 1000; left > 0; left--) {
      const { due } = this.device;
      if (due === undefined || due > end) break;
      this.now = Math.max(this.now, due);
      this.hear({ type: 'time' });
    }
    this.now = end;
  }

  /** What can happen; a browser tells of it in any order, and not of all. */
  readonly happenings = {
    pull: () => {
      this.plugged = this.plugged.filter((one) => one !== 'headset');
    },
    pullAll: () => {
      this.plugged = [];
    },
    plug: () => {
      this.plugged = ['built-in', 'headset'];
    },
    ended: () => {
      if (!this.track || this.plugged.includes(this.track.device)) return;
      this.track.ended = true;
      this.hear({ type: 'ended' });
    },
    told: () => this.list(true),
    hold: () => {
      this.holding = true;
      if (this.track) this.track.muted = true;
      this.hear({ type: 'mute' });
    },
    release: () => {
      this.holding = false;
      if (!this.track?.muted) return;
      this.track.muted = false;
      this.hear({ type: 'unmute' });
    },
    seize: () => {
      this.busy = true;
    },
    free: () => {
      this.busy = false;
    },
    front: () => this.hear({ type: 'front' }),
    second: () => this.wait(1000),
    button: () => this.hear({ type: 'want', on: true }),
  };
}

const inCall = (chosen = 'headset'): World => {
  const world = new World();
  world.hear({ type: 'choose', id: chosen });
  world.hear({ type: 'want', on: true });
  expect(world.device).toMatchObject({ phase: 'open', using: chosen });
  return world;
};
const run = (world: World, steps: readonly (keyof World['happenings'])[]) => {
  for (const step of steps) world.happenings[step]();
};
const shows = ({ device, track }: World) => [device.phase, track?.device, device.fault];

describe('a headset that is pulled out', () => {
  it.each([...orders(['ended', 'told'] as const)])(
    'is replaced by the default: %s, %s',
    (...events) => {
      const world = inCall();
      const before = world.opened;
      run(world, ['pull', ...events]);
      expect(shows(world)).toEqual(['open', 'built-in', undefined]);
      expect(world.device.chosen).toBe('headset');
      expect(world.opened - before).toBeLessThan(3);
      run(world, ['plug', 'told']);
      expect(shows(world)).toEqual(['open', 'headset', undefined]);
    },
  );

  it.each([...orders(['ended', 'told', 'front'] as const)])(
    'leaves nothing where there is nothing: %s, %s, %s',
    (...events) => {
      const world = inCall();
      run(world, ['pullAll', ...events]);
      expect(shows(world)).toEqual(['failed', undefined, 'lost']);
      run(world, ['plug', 'told']);
      expect(shows(world)).toEqual(['open', 'headset', undefined]);
    },
  );

  it('is replaced though the system calls it busy for a moment', () => {
    const world = inCall();
    world.track!.ended = true;
    let asked = 0;
    let { device } = world;
    device = next(device, { type: 'ended' }, 0);
    for (; device.phase === 'opening' && asked < 2; asked++)
      device = next(
        device,
        device.asked === 'headset'
          ? { type: 'failed', id: 'headset', why: 'busy', muted: false }
          : { type: 'opened', id: '', muted: false },
        0,
      );
    expect([asked, device.phase, device.using]).toEqual([2, 'open', '']);
  });

  it('does not have a broken device opened over and over', () => {
    const world = inCall('');
    const before = world.opened;
    for (let i = 0; i < 50; i++) world.hear({ type: 'ended' });
    expect(world.opened - before).toBe(3);
    expect(shows(world)).toEqual(['failed', undefined, 'lost']);
    world.wait(60_000);
    expect(shows(world)).toEqual(['open', 'built-in', undefined]);
  });
});

describe('what the system mutes', () => {
  it('is held after half a second, and back afresh', () => {
    const world = inCall();
    run(world, ['hold']);
    world.wait(499);
    expect(counts(world.device)).toBe(true);
    world.wait(1);
    expect(shows(world)).toEqual(['held', 'headset', 'held']);
    const before = world.opened;
    run(world, ['release']);
    expect(shows(world)).toEqual(['open', 'headset', undefined]);
    expect(world.opened).toBe(before + 1);
  });

  it('is not opened anew for a hiccup', () => {
    const world = inCall();
    const before = world.opened;
    run(world, ['hold', 'release', 'second']);
    expect([...shows(world), world.opened]).toEqual(['open', 'headset', undefined, before]);
  });

  it('may begin muted for a while', () => {
    const world = new World();
    world.holding = true;
    world.hear({ type: 'want', on: true });
    world.wait(4999);
    expect(counts(world.device)).toBe(true);
    const slow: Device = next(world.device, { type: 'unmute' }, world.now);
    expect([slow.phase, slow.due]).toEqual(['open', world.now + 10_000]);
    world.wait(1);
    expect(world.device).toMatchObject({ phase: 'held', fault: 'held' });
    const before = world.opened;
    run(world, ['release']);
    expect([...shows(world), world.opened]).toEqual(['open', 'built-in', undefined, before]);
  });

  it('is not asked for without end while it is held', () => {
    const world = inCall();
    run(world, ['hold', 'second']);
    const before = world.opened;
    world.wait(600_000);
    expect(world.opened).toBe(before);
    run(world, ['front', 'button']);
    expect(world.opened).toBe(before + 2);
    expect(shows(world)).toEqual(['held', 'headset', 'held']);
  });

  it('is still called held when its opening says busy', () => {
    const world = inCall();
    run(world, ['hold', 'second', 'seize', 'front']);
    expect(shows(world)).toEqual(['failed', undefined, 'held']);
    world.happenings.free();
    world.happenings.release();
    world.wait(30_000);
    expect(shows(world)).toEqual(['open', 'headset', undefined]);
  });
});

describe('the person', () => {
  it('keeps what there is when another can’t be opened, and gets it later', () => {
    const world = inCall('');
    world.busy = true;
    world.hear({ type: 'choose', id: 'headset' });
    expect(shows(world)).toEqual(['open', 'built-in', 'busy']);
    world.busy = false;
    world.wait(1000);
    expect(shows(world)).toEqual(['open', 'headset', undefined]);
  });

  it('is not asked again after a refusal, until it is allowed or wanted', () => {
    const world = new World();
    world.forbidden = true;
    world.hear({ type: 'want', on: true });
    const before = world.opened;
    run(world, ['front', 'told', 'pull', 'told', 'second', 'plug', 'told']);
    expect([...shows(world), world.opened]).toEqual(['failed', undefined, 'refused', before]);
    world.forbidden = false;
    world.hear({ type: 'allowed' });
    expect(shows(world)).toEqual(['open', 'built-in', undefined]);
  });

  it('can change their mind while it is opened', () => {
    let device = next(off, { type: 'want', on: true }, 0);
    expect(counts(device)).toBe(true);
    device = next(device, { type: 'choose', id: 'headset' }, 0);
    device = next(device, { type: 'failed', id: '', why: 'busy', muted: false }, 0);
    expect(device).toMatchObject({ phase: 'opening', asked: 'headset' });
    device = next(device, { type: 'want', on: false }, 0);
    device = next(device, { type: 'opened', id: 'headset', muted: false }, 0);
    expect(device).toMatchObject({ phase: 'off', live: false, chosen: 'headset' });
  });
});

describe('in any order of events', () => {
  const all = Object.keys(new World().happenings) as (keyof World['happenings'])[];

  it('no opening goes on without end, and all is well when all is well again', () => {
    let tried = 0;
    for (const steps of sequences(all, 4)) {
      const world = inCall();
      try {
        run(world, steps);
        const before = world.opened;
        world.wait(60_000);
        expect(world.opened - before).toBeLessThan(10);
        run(world, ['free', 'release', 'plug', 'told', 'front']);
        world.wait(30_000);
        expect(shows(world)).toEqual(['open', 'headset', undefined]);
        expect(world.device.chosen).toBe('headset');
      } catch (error) {
        throw new Error(`after ${steps.join(', ')}: ${error}`, { cause: error });
      }
      tried++;
    }
    expect(tried).toBe(all.length ** 4);
  });

  it('the truth is known within a second, whichever of its events come first', () => {
    for (const steps of sequences(all, 3))
      for (const last of orders(['ended', 'told'] as const)) {
        const world = inCall();
        run(world, [...steps, ...last]);
        world.wait(1000);
        // A track that begins muted has its time of grace.
        if (world.track && !world.device.proven && world.device.phase === 'hushed') continue;
        const heard = world.track !== undefined && !world.track.muted && !world.track.ended;
        if (counts(world.device) !== heard)
          throw new Error(`after ${steps.join(', ')}, ${last.join(', ')}`);
      }
  });
});
