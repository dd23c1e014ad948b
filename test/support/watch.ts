import { Watchers } from './wait.ts';

/** Waits for what a process writes. */
export interface Watch {
  /** To be called when something was written. */
  tell(): void;
  /** Resolves with what `find` gives once that is something; rejects when the process ends without it. */
  seen<Found>(what: string, find: () => Found | undefined): Promise<Found>;
}

/**
 * @param ended Resolves when nothing more can be written.
 * @param story What was written so far, for the error.
 */
export function watch(ended: Promise<unknown>, story: () => string): Watch {
  const watchers = new Watchers();
  return {
    tell: () => watchers.tell(),
    seen: (what, find) => {
      const fail = (): never => {
        throw new Error(`it ended without ${what}:\n${story()}`);
      };
      return Promise.race([watchers.until(what, find, story), ended.then(fail, fail)]);
    },
  };
}
