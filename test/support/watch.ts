import { waitFor } from './wait.ts';

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
  const looks = new Set<() => void>();
  return {
    tell: () => {
      for (const look of looks) look();
    },
    seen: <Found>(what: string, find: () => Found | undefined) => {
      const seen = new Promise<Found>((resolve, reject) => {
        const look = (): void => {
          const found = find();
          if (found === undefined) return;
          looks.delete(look);
          resolve(found);
        };
        looks.add(look);
        look();
        const fail = (): void => reject(new Error(`it ended without ${what}:\n${story()}`));
        ended.then(fail, fail);
      });
      return waitFor(what, seen, story);
    },
  };
}
