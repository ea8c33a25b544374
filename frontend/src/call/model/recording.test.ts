import { expect, it } from 'vitest';
import type { GuestMessage } from '$src/transport';
import { Recorded, type RecordingNotice } from './recording.svelte';

it('tells what the host says of a recording, and says the own answer', () => {
  const sent: GuestMessage[] = [];
  const notices: RecordingNotice[] = [];
  let connected = true;
  const recorded = new Recorded({
    send: (message) => connected && sent.push(message) > 0,
    notice: (notice) => notices.push(notice),
  });
  recorded.take({ on: false });
  expect([recorded.on, notices]).toEqual([false, []]);
  recorded.take({ on: true, number: 3 });
  expect([recorded.on, recorded.answer]).toEqual([true, '']);
  connected = false;
  recorded.agree(true);
  expect(recorded.answer).toBe(''); // it did not arrive
  connected = true;
  recorded.agree(true);
  expect(recorded.answer).toBe('agreed');
  recorded.agree(false);
  expect(recorded.answer).toBe('declined');
  expect(sent).toEqual([
    { type: 'consent', payload: { recording: 3, agree: true } },
    { type: 'consent', payload: { recording: 3, agree: false } },
  ]);
  recorded.take({ on: true, number: 3, answer: 'agreed' });
  expect(recorded.answer).toBe('agreed');
  recorded.take({ on: false });
  expect([recorded.on, recorded.answer, notices]).toEqual([
    false,
    '',
    [{ kind: 'recording-over' }],
  ]);
});
