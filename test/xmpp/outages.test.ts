import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BackOff } from '../../src/xmpp/stream/outages.ts';

const TIMING = { backOffFirst: 1000, backOffMax: 60_000 };

/** The waits after these failures (true: refused), each as long as it can be. */
function longest(failures: readonly boolean[]): number[] {
  const backOff = new BackOff(TIMING, () => 1 - Number.EPSILON);
  return failures.map((refused) => backOff.next(refused));
}

test('the longest wait doubles with every refusal up to the greatest', () => {
  expect(longest(Array.from({ length: 8 }, () => true))).toEqual([
    1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000,
  ]);
});

test('any other failure is tried again within a second, without end, and changes nothing about refusals', () => {
  expect(longest(Array.from({ length: 1000 }, () => false))).toEqual(
    Array.from({ length: 1000 }, () => 1000),
  );
  expect(longest([true, true, false, true, false, true])).toEqual([1000, 2000, 1000, 4000, 1000, 8000]);
});

test('a wait is random: from half of the longest on after a refusal, else from 100 ms on', () => {
  fc.assert(
    fc.property(
      fc.array(fc.boolean(), { minLength: 1, maxLength: 12 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (failures, random) => {
        const backOff = new BackOff(TIMING, () => random);
        const limits = longest(failures);
        for (const [index, limit] of limits.entries()) {
          const refused = failures[index] === true;
          const wait = backOff.next(refused);
          expect(wait).toBeGreaterThanOrEqual(refused ? limit / 2 : 100);
          expect(wait).toBeLessThanOrEqual(limit);
        }
      },
    ),
  );
  expect(new BackOff(TIMING, () => 0).next(true)).toBe(500);
  expect(new BackOff(TIMING, () => 0).next(false)).toBe(100);
});

test('after a reset the next refusal is the first one again', () => {
  const backOff = new BackOff(TIMING, () => 0);
  backOff.next(true);
  backOff.next(true);
  backOff.reset();
  expect(backOff.next(true)).toBe(500);
});
