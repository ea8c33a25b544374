// @vitest-environment node
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { ChatLine, GuestMessage } from '$src/transport';
import type { Bytes } from '$src/transport/bytes';
import { type FileNotice, Files } from './files.svelte';
import type { FileWay } from './fileWay';
import { got, isPicture, parts, readFrame, stop } from './fileWire';

let sent: GuestMessage[];
let frames: Bytes[];
let notices: FileNotice[];
let way: FileWay;
let files: Files;

const line = (id: number, size: number, kind = 'other'): ChatLine => ({
  id,
  participant: 'ann',
  name: 'Ann',
  text: '',
  at: 0,
  file: { name: 'tea.pdf', size, kind },
});

const frame = (kind: number, tried: number, id: number, ...rest: number[]): Bytes =>
  Uint8Array.of(kind, tried, 0, 0, 0, id, ...rest);

beforeEach(() => {
  vi.useFakeTimers();
  sent = [];
  frames = [];
  notices = [];
  way = {
    open: vi.fn(),
    send: (bytes) => frames.push(bytes),
    onframe: null,
    onanew: null,
    onsaved: null,
  };
  files = new Files({
    send: (message) => sent.push(message) > 0,
    you: () => 'me',
    notice: (notice) => notices.push(notice),
    way,
  });
});

afterEach(() => {
  files.close();
  vi.useRealTimers();
});

test('frames are written and read', () => {
  const [one, two, ...none] = [...parts(7, 5, new Uint8Array(16_385).fill(1))];
  expect(none).toEqual([]);
  expect(readFrame(one!)).toMatchObject({ kind: 'part', line: 7, offset: 5 });
  expect(readFrame(two!)).toMatchObject({ offset: 16_389, content: Uint8Array.of(1) });
  expect(readFrame(stop(7, 5))).toEqual({ kind: 'stop', line: 7, tried: 0, why: 5 });
  expect([...got(7, 3, 258)]).toEqual([3, 3, 0, 0, 0, 7, 0, 0, 1, 2]);
  for (const bad of [
    [],
    [1],
    [2, 0, 0, 0, 0, 7, 0, 0, 0, 0],
    [4, 0, 0, 0, 0, 7, 1, 2],
    [9, 0, 0, 0, 0, 7, 1],
  ])
    expect(readFrame(Uint8Array.from(bad))).toBeUndefined();
});

test('pictures are known by their first bytes', () => {
  const of = (text: string) => Uint8Array.from(text, (c) => c.charCodeAt(0));
  for (const text of ['\x89PNG\r\n\x1a\n....', '\xff\xd8\xff\xe0', 'RIFF1234WEBPVP8 ', 'GIF89a..'])
    expect(isPicture(of(text))).toBe(true);
  for (const text of ['<svg xmlns=', 'RIFF1234WAVE', '\x89PNG', ''])
    expect(isPicture(of(text))).toBe(false);
});

test('what the host wants of a file is sent, and no more', async () => {
  files.greet(['files'], []);
  files.offer([new File(['some words'], 'a.txt')]);
  const { payload } = sent[0] as Extract<GuestMessage, { type: 'attach' }>;
  expect(payload).toMatchObject({ name: 'a.txt', size: 10 });
  files.lined({ ...line(3, 10), participant: 'me', token: payload.token! });
  way.onframe!(frame(1, 0, 3, 0, 0, 0, 2, 0, 0, 0, 6));
  await vi.waitFor(() => expect(frames.length).toBe(1));
  expect(readFrame(frames[0]!)).toMatchObject({ kind: 'part', offset: 2 });
  expect(files.transfers.get(3)).toMatchObject({ state: 'sending', bytes: 6 });
  files.over(3, 'gone');
  way.onframe!(frame(1, 0, 3, 0, 0, 0, 6, 0, 0, 0, 10));
  await vi.waitFor(() => expect(frames.length).toBe(2));
  expect(readFrame(frames[1]!)).toMatchObject({ kind: 'stop' });
});

test('what can be sent to nobody is not offered', () => {
  files.offer([new File([], 'empty'), new File([new Uint8Array(26_214_401)], 'large')]);
  expect(notices.map(({ what }) => what)).toEqual(['empty', 'too-large']);
  expect(sent).toEqual([]);
});

test('what comes of a time that was given up is let go', () => {
  files.save(line(3, 4));
  expect(sent.at(-1)).toEqual({ type: 'take', payload: { line: 3, on: true, try: 1 } });
  way.onframe!(frame(2, 1, 3, 0, 0, 0, 0, 1, 2));
  expect(files.transfers.get(3)).toMatchObject({ state: 'coming', bytes: 2 });
  expect([...frames.at(-1)!]).toEqual([...got(3, 1, 2)]);
  files.cancel(3);
  expect(sent.at(-1)).toEqual({ type: 'take', payload: { line: 3, on: false } });
  files.save(line(3, 4));
  way.onframe!(frame(2, 1, 3, 0, 0, 0, 2, 3));
  way.onframe!(frame(4, 1, 3, 1));
  expect(files.transfers.get(3)).toMatchObject({ state: 'coming', bytes: 0 });
  way.onframe!(frame(4, 2, 3, 2));
  expect(files.transfers.get(3)).toMatchObject({ state: 'failed', failure: 'stopped' });
});

test('more than was said, and what comes no more, end it', () => {
  files.save(line(3, 2));
  way.onframe!(frame(2, 1, 3, 0, 0, 0, 0, 1, 2, 3));
  expect(files.transfers.get(3)).toMatchObject({ state: 'failed', failure: 'refused' });
  files.save(line(4, 2));
  vi.advanceTimersByTime(46_000);
  expect(files.transfers.get(4)).toMatchObject({ state: 'failed', failure: 'stopped' });
});

test('what a page offered before it was loaded anew is taken back', () => {
  files.greet(['files'], [{ ...line(3, 4), participant: 'me' }, line(4, 4)]);
  expect(sent).toEqual([{ type: 'takeBack', payload: { line: 3 } }]);
});

test('the app saves for its window, and a picture is seen afterwards', () => {
  way.save = vi.fn();
  files.save(line(3, 4, 'picture'));
  expect(way.save).toHaveBeenCalledWith(3);
  way.onsaved!({ line: 3, bytes: 2, name: '', fault: '' });
  expect(files.transfers.get(3)).toMatchObject({ state: 'coming', bytes: 2 });
  way.onsaved!({ line: 3, bytes: 0, name: 'tea (2).pdf', fault: '' });
  expect(files.transfers.get(3)).toMatchObject({ state: 'saved', name: 'tea (2).pdf' });
  expect(sent.at(-1)).toMatchObject({ type: 'take', payload: { line: 3, on: true } });
  files.save(line(5, 4));
  way.onsaved!({ line: 5, bytes: 0, name: '', fault: 'store-unavailable' });
  expect(files.transfers.get(5)).toMatchObject({ state: 'failed', failure: 'room' });
});
