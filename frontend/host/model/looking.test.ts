import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Looking } from './looking';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A host who is in the window, or elsewhere. */
function host(here = true) {
  const saw = vi.fn<(ids: string[]) => void>();
  let changed: (() => void) | undefined;
  const looking = new Looking(saw, {
    here: () => here,
    watch: (onchange) => {
      changed = onchange;
      return () => (changed = undefined);
    },
  });
  return {
    looking,
    saw,
    goes(away: boolean) {
      here = !away;
      changed?.();
    },
    watched: () => changed !== undefined,
  };
}

describe('the host has looked', () => {
  it('when the card was on the screen for a second, and once', () => {
    const { looking, saw } = host();
    looking.show('ada', true);
    vi.advanceTimersByTime(999);
    expect(saw).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(saw).toHaveBeenCalledWith(['ada']);
    vi.advanceTimersByTime(10_000);
    looking.show('bea', true);
    vi.advanceTimersByTime(1000);
    expect(saw.mock.calls).toEqual([[['ada']], [['bea']]]);
  });

  it('not while the host is elsewhere, or glances past', () => {
    const { looking, saw, goes } = host(false);
    looking.show('ada', true);
    vi.advanceTimersByTime(60_000);
    goes(false);
    vi.advanceTimersByTime(500);
    goes(true);
    vi.advanceTimersByTime(5000);
    looking.show('ada', false);
    goes(false);
    vi.advanceTimersByTime(5000);
    expect(saw).not.toHaveBeenCalled();
  });

  it('anew when the bell has rung since', () => {
    const { looking, saw } = host();
    looking.show('ada', true);
    vi.advanceTimersByTime(1000);
    looking.unseen('ada');
    looking.unseen('bea');
    vi.advanceTimersByTime(1000);
    expect(saw.mock.calls).toEqual([[['ada']], [['ada']]]);
  });

  it('and nothing is kept of those who have gone', () => {
    const { looking, watched } = host();
    looking.show('ada', true);
    expect(watched()).toBe(true);
    vi.advanceTimersByTime(1000);
    looking.keep(() => false);
    looking.show('ada', false);
    expect(watched()).toBe(false);
  });
});
