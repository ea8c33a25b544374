import { afterEach, describe, expect, it, vi } from 'vitest';
import { WebviewScreen } from './screen';

class Track {
  contentHint = '';
  stopped = false;
  onended: (() => void) | null = null;
  stop() {
    this.stopped = true;
  }
}

const browser = (getDisplayMedia?: () => Promise<unknown>) =>
  vi.stubGlobal('navigator', { mediaDevices: getDisplayMedia ? { getDisplayMedia } : {} });
const stream = (video: Track[], audio: Track[]) => ({
  getVideoTracks: () => video,
  getAudioTracks: () => audio,
});
afterEach(() => vi.unstubAllGlobals());

describe('the own screen', () => {
  it('can’t be shared where the browser has no way to', () => {
    browser();
    expect(WebviewScreen.make()).toBeUndefined();
    vi.stubGlobal('navigator', {});
    expect(WebviewScreen.make()).toBeUndefined();
  });

  it('is opened with its sound, and let go of', async () => {
    const [picture, sound] = [new Track(), new Track()];
    browser(async () => stream([picture], [sound]));
    const screen = WebviewScreen.make()!;
    const changed = vi.fn();
    const ended = vi.fn();
    screen.onchange = changed;
    screen.onended = ended;
    expect(await screen.open()).toEqual({ sound: true });
    expect(screen.video).toBe(picture);
    expect(picture.contentHint).toBe('detail');
    screen.close();
    expect([picture.stopped, sound.stopped, screen.video]).toEqual([true, true, undefined]);
    expect(changed).toHaveBeenCalledTimes(2);
    screen.close();
    expect(changed).toHaveBeenCalledTimes(2);
    expect(ended).not.toHaveBeenCalled();
  });

  it('says when the browser has ended it', async () => {
    const picture = new Track();
    browser(async () => stream([picture], []));
    const screen = WebviewScreen.make()!;
    const ended = vi.fn();
    screen.onended = ended;
    expect(await screen.open()).toEqual({ sound: false });
    picture.onended?.();
    expect(ended).toHaveBeenCalledOnce();
    expect(screen.video).toBeUndefined();
  });

  it('says why it is not shared', async () => {
    for (const [name, fault] of [
      ['NotAllowedError', 'screen-refused'],
      ['NotFoundError', 'screen-missing'],
      ['NotReadableError', 'screen-missing'],
    ]) {
      browser(async () => {
        throw new DOMException('no', name);
      });
      expect(await WebviewScreen.make()!.open()).toBe(fault);
    }
  });
});
