import type { Clock } from '../core/clock.ts';

/** Taken before a callback module is loaded, which may change them. */
const { kill, pid } = process;
const abort: () => never = process.abort;

/** Whether this process can end by itself. */
export interface Ending {
  /** Whether process.exit might not end it, because it waits for a thread that waits for a disk or for a lock. */
  isStuck: () => boolean;
}

/** Whether a name is being looked up: process.exit waits for the threads that do so. */
export function isLookingUp(): boolean {
  return process.getActiveResourcesInfo().includes('GetAddrInfoReqWrap');
}

export const NO_NAME_SERVER = 'a name server does not respond';

/** Ends this process by a signal, which waits for no thread: nothing that was accepted is lost by it. */
export function endByForce(why: string): never {
  process.stderr.write(`ends itself with SIGKILL: ${why}\n`);
  kill(pid, 'SIGKILL');
  // The first process of a container is sent no signal from inside; this ends it by a fault.
  abort();
}

/** Some supervisors send a signal twice, to the process and to its group: that is one wish to stop. */
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
