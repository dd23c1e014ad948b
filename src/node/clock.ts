import type { Clock } from '../core/clock.ts';

/** Node counts a timer's milliseconds in 31 bits (some 24.8 days) and fires at once beyond that. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The machine's time. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (ms, callback) => {
    let timer: NodeJS.Timeout;
    const wait = (restMs: number): void => {
      if (restMs <= LONGEST_TIMER_MS) timer = setTimeout(callback, restMs);
      else timer = setTimeout(wait, LONGEST_TIMER_MS, restMs - LONGEST_TIMER_MS);
    };
    wait(ms);
    return () => clearTimeout(timer);
  },
};
