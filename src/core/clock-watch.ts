import type { Clock } from './clock.ts';
import type { Observe } from './observation.ts';

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
