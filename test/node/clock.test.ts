import { once } from 'node:events';
import { expect, it, onTestFinished, vi } from 'vitest';
import { systemClock } from '../../src/node/clock.ts';

const LONGEST_TIMER_MS = 2 ** 31 - 1;

it.each([LONGEST_TIMER_MS + 1, 10 * LONGEST_TIMER_MS, Infinity])(
  'waits for %s ms, which Node cannot, without a warning and without firing at once',
  async (ms) => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    process.on('warning', onWarning);
    onTestFinished(() => void process.off('warning', onWarning));
    let fired = 0;
    const cancel = systemClock.after(ms, () => (fired += 1));
    const later = new EventTarget();
    setTimeout(() => later.dispatchEvent(new Event('over')), 50);
    await once(later, 'over');
    cancel();
    expect([fired, warnings]).toEqual([0, []]);
  },
);

it('fires once after a wait that takes several timers, and not if it is taken back', () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  let fired = 0;
  systemClock.after(2 * LONGEST_TIMER_MS + 1000, () => (fired += 1));
  const cancel = systemClock.after(2 * LONGEST_TIMER_MS, () => (fired += 100));
  vi.advanceTimersByTime(LONGEST_TIMER_MS + 500);
  cancel();
  vi.advanceTimersByTime(LONGEST_TIMER_MS + 499);
  expect(fired).toBe(0);
  vi.advanceTimersByTime(1);
  expect(fired).toBe(1);
  vi.advanceTimersByTime(10 * LONGEST_TIMER_MS);
  expect(fired).toBe(1);
});
