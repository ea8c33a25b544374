import { describe, expect, it } from 'vitest';
import { budget, filterSteps, judged, Pace, sceneSteps, typical } from './pace';

describe('what a picture takes', () => {
  it('is what the middle one takes, where a model looks at none or at all', () => {
    expect(typical([1, 2, 500], 1)).toBe(2);
    expect(typical([13, 14, 1], 1)).toBe(13);
    expect(typical([], 1)).toBe(0);
  });

  it('is a mean over those that a model looked at and those between', () => {
    expect(typical([20, 4, 20, 4, 20, 4], 2)).toBe(12);
    expect(typical([20, 1, 1, 900, 1, 1, 20, 4, 4], 3)).toBeCloseTo(28 / 3);
  });
});

describe('pace', () => {
  /** Takes pictures until they are judged. */
  const round = (pace: Pace, milliseconds: (look: boolean) => number) => {
    let on = true;
    for (let i = 0; i < judged; i++) on = pace.take(milliseconds(pace.look));
    return on;
  };

  it('stays where pictures are in time, and looks at some of them', () => {
    const pace = new Pace(sceneSteps);
    let looks = 0;
    for (let i = 0; i < 4; i++) {
      expect(
        round(pace, (look) => {
          if (look) looks++;
          return look ? 2 * budget - 4 : 3;
        }),
      ).toBe(true);
    }
    expect(pace.step).toEqual(sceneSteps[0]);
    expect(looks).toBe(4 * Math.ceil(judged / sceneSteps[0]!.every));
  });

  it('goes on to cheaper steps, and then is over', () => {
    for (const steps of [filterSteps, sceneSteps]) {
      const pace = new Pace(steps);
      const seen = [];
      for (let on = true; on; ) {
        seen.push(pace.step);
        on = round(pace, () => budget + 1);
      }
      expect(seen).toEqual([...steps, steps.at(-1)]);
    }
  });

  it('is not over for one round at the last step, nor for two that are apart', () => {
    const pace = new Pace(filterSteps);
    for (const milliseconds of [100, 100, 5, 100, 5]) {
      expect(round(pace, () => milliseconds)).toBe(true);
    }
    expect(round(pace, () => 100)).toBe(true);
    expect(round(pace, () => 100)).toBe(false);
  });

  it('does not mind a moment that was slow', () => {
    const pace = new Pace(filterSteps);
    let at = 0;
    expect(round(pace, () => (at++ < judged / 3 ? 400 : 5))).toBe(true);
    expect(pace.step).toEqual(filterSteps[0]);
  });
});
