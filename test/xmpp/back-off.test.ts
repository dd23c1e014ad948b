import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BackOff } from '../../src/xmpp/back-off.ts';

const TIMING = { backOffFirst: 1000, backOffMax: 60_000, backOffRefused: 10_000 };

/** The waits after these failures (true: refused), each as long as it can be. */
function longest(failures: readonly boolean[]): number[] {
  const backOff = new BackOff(TIMING, () => 1 - Number.EPSILON);
  return failures.map((refused) => backOff.next(refused));
}

test('the longest wait doubles with every failure up to the greatest', () => {
  expect(longest(Array.from({ length: 8 }, () => false))).toEqual([
    1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000,
  ]);
});

test('a refusal waits longer from the first time on', () => {
  expect(longest([true, true, true, true, true])).toEqual([10_000, 20_000, 40_000, 60_000, 60_000]);
  expect(longest([false, true, false])).toEqual([1000, 10_000, 20_000]);
});

test('a wait is between half of the longest and all of it, at random', () => {
  fc.assert(
    fc.property(
      fc.array(fc.boolean(), { minLength: 1, maxLength: 12 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (failures, random) => {
        const backOff = new BackOff(TIMING, () => random);
        const waits = failures.map((refused) => backOff.next(refused));
        const limits = longest(failures);
        for (const [index, limit] of limits.entries()) {
          expect(waits[index]).toBeGreaterThanOrEqual(limit / 2);
          expect(waits[index]).toBeLessThanOrEqual(limit);
        }
      },
    ),
  );
  expect(new BackOff(TIMING, () => 0).next(false)).toBe(500);
});

test('after a reset the next failure is the first one again', () => {
  const backOff = new BackOff(TIMING, () => 0);
  backOff.next(true);
  backOff.next(false);
  backOff.reset();
  expect(backOff.next(false)).toBe(500);
});
