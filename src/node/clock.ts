import type { Clock } from '../core/clock.ts';
import type { Observe } from '../core/observation.ts';

/** Node stores a timer's milliseconds in 31 bits (24.8 days); a longer timer fires immediately. */
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

/** Milliseconds by which a timer of a running process is late at most. */
const LATE_MS = 100;

/**
 * Calls back after `ms` milliseconds, for checks of what a peer should have sent by then; the returned function
 * cancels it. After a pause of the process (SIGSTOP, a paused machine, a long callback) Node calls timers before it
 * reads sockets. So a late check waits `graceMs` more, once, and what has arrived is read first.
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

/** Milliseconds between two comparisons of the clocks. */
const LOOK_INTERVAL_MS = 10_000;
/** The difference must change by more milliseconds between two comparisons to be a jump; less is a correction. */
const SMALLEST_JUMP_MS = 60_000;

/** Observes when the machine's clock was set, or the machine slept; the returned function ends the watch. */
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
