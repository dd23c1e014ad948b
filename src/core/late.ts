import type { Clock } from './clock.ts';

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
