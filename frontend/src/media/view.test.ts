import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { GuestMessage, View } from '$src/transport';
import { ViewReport } from './view';

/** The browser's observers, which the tests speak for. */
class Observer {
  static all: Observer[] = [];
  watched = new Set<Element>();
  constructor(readonly callback: (entries: object[]) => void) {
    Observer.all.push(this);
  }
  observe = (element: Element) => this.watched.add(element);
  unobserve = (element: Element) => this.watched.delete(element);
  disconnect = () => this.watched.clear();
}

let sent: View[];
let online: boolean;
let page: EventTarget & { visibilityState: string };
let report: ViewReport;

beforeEach(() => {
  vi.useFakeTimers();
  sent = [];
  online = true;
  Observer.all = [];
  page = Object.assign(new EventTarget(), { visibilityState: 'visible' });
  vi.stubGlobal('document', page);
  vi.stubGlobal('devicePixelRatio', 2);
  vi.stubGlobal('IntersectionObserver', class extends Observer {});
  vi.stubGlobal('ResizeObserver', class extends Observer {});
  report = new ViewReport((message: GuestMessage) => {
    if (online && message.type === 'view') sent.push(message.payload);
    return online;
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const screen = (tile: Element, isIntersecting: boolean) =>
  Observer.all[0]!.callback([{ target: tile, isIntersecting }]);
const size = (tile: Element, height: number) =>
  Observer.all[1]!.callback([{ target: tile, contentRect: { height } }]);
const see = (visibilityState: string) => {
  page.visibilityState = visibilityState;
  page.dispatchEvent(new Event('visibilitychange'));
};
const later = (ms = 1000) => vi.advanceTimersByTime(ms);

/** A tile of ada's, on the screen and 360 pixels high, and a host that was told so. */
function shown(): Element {
  const tile = {} as Element;
  report.take(true);
  report.watch('ada', tile);
  screen(tile, true);
  size(tile, 180);
  later();
  return tile;
}
const ada = { participant: 'ada', height: 360, kind: 'video' };

describe('what is seen', () => {
  it('is said once all of it is known', () => {
    const [one, two] = [{} as Element, {} as Element];
    report.take(true);
    report.watch('ada', one);
    report.watch('bo', two);
    screen(one, true);
    size(one, 180);
    size(two, 90);
    expect(sent).toEqual([]);
    screen(two, false);
    expect(sent).toEqual([
      { hidden: false, tiles: [ada], takes: ['layers', 'screen', 'line', 'recording'] },
    ]);
  });

  it('is said again when a tile comes, goes, moves off the screen or changes its size', () => {
    const tile = shown();
    size(tile, 270);
    later();
    screen(tile, false);
    later();
    screen(tile, true);
    later();
    expect(sent.slice(1).map(({ tiles }) => tiles)).toEqual([
      [{ ...ada, height: 540 }],
      [],
      [{ ...ada, height: 540 }],
    ]);
    const leave = report.watch('bo', {} as Element);
    leave();
    later();
    expect(sent).toHaveLength(4);
  });

  it('is nothing while the page is hidden or the window minimised', () => {
    shown();
    see('hidden');
    expect(sent.at(-1)?.hidden).toBe(true);
    later();
    see('visible');
    expect(sent.at(-1)?.hidden).toBe(false);
    later();
    report.minimise(true);
    expect(sent.at(-1)?.hidden).toBe(true);
    later();
    report.minimise(false);
    expect(sent).toHaveLength(5);
  });

  it('is said of a page that is hidden from the beginning, whose observers are silent', () => {
    see('hidden');
    report.watch('ada', {} as Element);
    report.take(true);
    expect(sent).toEqual([
      { hidden: true, tiles: [], takes: ['layers', 'screen', 'line', 'recording'] },
    ]);
  });
});

describe('the messages', () => {
  it('are four a second at most, the last of them right', () => {
    const tile = shown();
    for (let height = 1; height < 1000; height++) {
      size(tile, height);
      later(1);
    }
    expect(sent.length).toBeLessThanOrEqual(1 + 4);
    later();
    expect(sent.at(-1)?.tiles[0]?.height).toBe(2 * 999);
  });

  it('go only to a host that takes them, and anew to the next one', () => {
    const tile = {} as Element;
    report.watch('ada', tile);
    screen(tile, true);
    size(tile, 180);
    see('hidden');
    see('visible');
    later();
    expect(sent).toEqual([]);
    report.take(true);
    expect(sent).toHaveLength(1);
    report.take(false);
    see('hidden');
    later();
    expect(sent).toHaveLength(1);
    report.take(true);
    expect(sent).toHaveLength(2);
  });

  it('that could not be sent are said when the host is back', () => {
    shown();
    online = false;
    see('hidden');
    online = true;
    report.take(true);
    expect(sent.at(-1)?.hidden).toBe(true);
  });

  it('end with the call', () => {
    const tile = shown();
    size(tile, 99);
    later(0);
    size(tile, 98);
    report.close();
    later();
    see('hidden');
    expect(sent).toHaveLength(2);
  });

  it('stay within what the host takes', () => {
    const tile = shown();
    size(tile, 9000);
    later();
    expect(sent.at(-1)?.tiles[0]?.height).toBe(4320);
  });
});
