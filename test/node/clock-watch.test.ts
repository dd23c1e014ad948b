import { describe, expect, it } from 'vitest';
import { watchClock } from '../../src/node/clock.ts';
import type { Observation } from '../../src/core/observation.ts';
import { SettableClock } from '../support/zoo.ts';

function openBench() {
  const clock = new SettableClock();
  const observed: Observation[] = [];
  const end = watchClock(clock, (observation) => void observed.push(observation));
  return { clock, observed, end };
}

describe("a jump of the machine's clock", () => {
  it.each([
    ['on', 2 * 86_400_000],
    ['back', -10 * 86_400_000],
    ['on by little more than a minute', 60_001],
  ])('%s is observed once, within ten seconds', (_name, byMs) => {
    const { clock, observed } = openBench();
    clock.advance(15_000);
    clock.set(byMs);
    clock.advance(10_000);
    expect(observed).toEqual([{ kind: 'clock-jumped', byMs }]);
    clock.advance(3_600_000);
    expect(observed).toHaveLength(1);
  });

  it('of a minute or less is not observed, and neither is time that passes', () => {
    const { clock, observed } = openBench();
    for (const byMs of [60_000, -60_000, 1000]) {
      clock.set(byMs);
      clock.advance(10_000);
    }
    clock.advance(100 * 86_400_000);
    expect(observed).toEqual([]);
  });

  it('is no longer observed after the end of the watch', () => {
    const { clock, end } = openBench();
    clock.advance(20_000);
    end();
    expect(clock.timers).toBe(0);
  });
});
