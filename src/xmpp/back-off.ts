import type { Random } from '../core/clock.ts';

/** A server that is away, or comes back, must not be missed for long: all that is sent meanwhile is lost. */
const SOONEST_MS = 100;
const LATEST_MS = 1000;

/** Milliseconds; waits of a server that refuses us, each between half of what is said and all of it, at random. */
export interface BackOffTiming {
  /** After the first refusal; doubles with every further one. */
  readonly backOffFirst: number;
  readonly backOffMax: number;
}

/** How long to wait before the next try. */
export class BackOff {
  readonly #timing: BackOffTiming;
  readonly #random: Random;
  #next: number;

  constructor(timing: BackOffTiming, random: Random) {
    this.#timing = timing;
    this.#random = random;
    this.#next = timing.backOffFirst;
  }

  /**
   * Milliseconds to wait after one more failure. Only refusals make waits longer, and only `reset` makes them short
   * again: what fails between two refusals does not.
   */
  next(refused: boolean): number {
    if (!refused) return this.#between(SOONEST_MS, LATEST_MS);
    const longest = this.#next;
    this.#next = Math.min(this.#timing.backOffMax, longest * 2);
    return this.#between(longest / 2, longest);
  }

  /** All went well: the next refusal is the first one again. */
  reset(): void {
    this.#next = this.#timing.backOffFirst;
  }

  #between(least: number, most: number): number {
    return Math.round(least + this.#random() * (most - least));
  }
}
