import type { Clock } from '../core/clock.ts';
import type { Observe } from '../core/observation.ts';

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

/** Timers of a process that runs come at most so late. */
const LATE_MS = 100;

/**
 * Calls back after `ms` milliseconds, for checks of what a peer should have sent by then; the returned function takes it
 * back. A process that did not run meanwhile (SIGSTOP, a paused machine, a long callback) has its timers called before
 * its sockets are read: a check that comes late waits `graceMs` more, once, so that what has come is read first.
 */
export function afterReading(
  clock: Clock,
  ms: number,
  callback: () => void,
  graceMs: number = ms,
): () => void {
  const dueMs = clock.monotonic() + ms;
  let cancel = clock.after(ms, () => {
    if (clock.monotonic() - dueMs <= LATE_MS) callback();
    else cancel = clock.after(graceMs, callback);
  });
  return () => cancel();
}

/** How often the clocks are compared, in milliseconds. */
const LOOK_INTERVAL_MS = 10_000;
/** A difference that grows by more than so many milliseconds between two looks is a jump; less is a clock that is corrected. */
const SMALLEST_JUMP_MS = 60_000;

/** Tells when the machine's clock was set, or the machine slept; the returned function ends that. */
export function watchClock(clock: Clock, observe: Observe): () => void {
  let offMs = clock.now() - clock.monotonic();
  let cancel = (): void => undefined;
  const look = (): void => {
    const beforeMs = offMs;
    offMs = clock.now() - clock.monotonic();
    const byMs = Math.round(offMs - beforeMs);
    if (Math.abs(byMs) > SMALLEST_JUMP_MS) observe({ kind: 'clock-jumped', byMs });
    cancel = clock.after(LOOK_INTERVAL_MS, look);
  };
  cancel = clock.after(LOOK_INTERVAL_MS, look);
  return () => cancel();
}
