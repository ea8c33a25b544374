import { describe, expect, it } from 'vitest';
import { Front } from './front';

describe('the stage', () => {
  it('is at once of whoever speaks first', () => {
    const front = new Front();
    expect(front.hear([], 0)).toBeUndefined();
    expect(front.hear(['ada', 'boris'], 10)).toBeUndefined();
    expect(front.id).toBe('ada');
  });

  it('goes to another who speaks on after its owner is silent', () => {
    const front = new Front();
    front.hear(['ada'], 0);
    expect(front.hear(['boris'], 1000)).toBe(1500);
    expect(front.id).toBe('ada');
    expect(front.hear(['boris'], 1500)).toBeUndefined();
    expect(front.id).toBe('boris');
  });

  it('stays for a cough', () => {
    const front = new Front();
    front.hear(['ada'], 0);
    front.hear(['boris'], 1000);
    front.hear([], 1200);
    expect(front.hear(['boris'], 1600)).toBe(2100);
    expect(front.hear(['ada'], 1900)).toBeUndefined();
    expect(front.id).toBe('ada');
  });

  it('is taken from who speaks only by somebody who is louder for long', () => {
    const front = new Front();
    front.hear(['ada'], 0);
    expect(front.hear(['boris', 'ada'], 100)).toBe(2100);
    front.hear(['ada', 'boris'], 1500);
    expect(front.hear(['boris', 'ada'], 1600)).toBe(3600);
    expect(front.hear(['boris', 'ada'], 3600)).toBeUndefined();
    expect(front.id).toBe('boris');
  });

  it('is free when its owner leaves', () => {
    const front = new Front();
    front.hear(['ada'], 0);
    front.forget('ada');
    front.hear(['boris'], 1);
    expect(front.id).toBe('boris');
  });

  it('jumps at most once a second, whatever is heard', () => {
    const front = new Front();
    let jumps = 0;
    let at = front.id;
    for (let now = 0; now < 60_000; now += 100) {
      front.hear([['ada', 'boris', 'cleo'][Math.floor(now / 300) % 3]!], now);
      if (front.id !== at) jumps++;
      at = front.id;
    }
    expect(jumps).toBe(1);
  });
});
