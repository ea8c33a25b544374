import { expect, it } from 'vitest';
import type { Slot } from '$src/transport';
import { assign } from './slots';

const slot = (mid: string, participant: string, kind: 'audio' | 'video'): Slot => ({
  mid,
  participant,
  kind,
});
const tracks = new Map([
  ['2', 'a'],
  ['3', 'b'],
]);

it('puts a participant’s sound and picture together', () => {
  expect(assign([slot('2', 'ada', 'audio'), slot('3', 'ada', 'video')], tracks).get('ada')).toEqual(
    { audio: 'a', video: 'b' },
  );
});

it('leaves out sections that are yet to come', () => {
  const assigned = assign([slot('2', 'ada', 'audio'), slot('9', 'ada', 'video')], tracks);
  expect(assigned.get('ada')).toEqual({ audio: 'a' });
});

it('moves a section to its new participant', () => {
  expect([...assign([slot('3', 'boris', 'video')], tracks)]).toEqual([['boris', { video: 'b' }]]);
});

it('keeps the first of two slots for the same', () => {
  const assigned = assign([slot('2', 'ada', 'video'), slot('3', 'ada', 'video')], tracks);
  expect(assigned.get('ada')).toEqual({ video: 'a' });
});
