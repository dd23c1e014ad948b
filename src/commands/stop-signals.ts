import type { Clock } from '../core/clock.ts';

/** Some supervisors send a signal twice at once, to the process and to its group: that is one wish to stop. */
const ONE_WISH_MS = 500;

/** The part of `process` that signals come from. */
export interface SignalSource {
  on(signal: 'SIGTERM' | 'SIGINT', listener: () => void): unknown;
}

/** Resolves with the first SIGTERM or SIGINT; one that comes at least 500 ms later calls `endAtOnce`. */
export function firstStopSignal(
  source: SignalSource,
  clock: Pick<Clock, 'monotonic'>,
  endAtOnce: () => void,
): Promise<'stop'> {
  return new Promise((resolve) => {
    let firstMs: number | undefined;
    const onSignal = (): void => {
      if (firstMs === undefined) {
        firstMs = clock.monotonic();
        resolve('stop');
      } else if (clock.monotonic() - firstMs >= ONE_WISH_MS) {
        endAtOnce();
      }
    };
    source.on('SIGTERM', onSignal);
    source.on('SIGINT', onSignal);
  });
}
