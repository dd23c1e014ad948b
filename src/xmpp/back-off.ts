import type { Random } from '../core/clock.ts';

/** Milliseconds; each wait is between half of what is said and all of it, at random. */
export interface BackOffTiming {
  /** After the first failure; doubles with every further one. */
  readonly backOffFirst: number;
  readonly backOffMax: number;
  /** At least this after the server refused us: trying again soon would only fill its log. */
  readonly backOffRefused: number;
}

/** How long to wait before the next try, so that a server that comes back is not stormed. */
export class BackOff {
  readonly #timing: BackOffTiming;
  readonly #random: Random;
  #next: number;

  constructor(timing: BackOffTiming, random: Random) {
    this.#timing = timing;
    this.#random = random;
    this.#next = timing.backOffFirst;
  }

  /** Milliseconds to wait after one more failure. */
  next(refused: boolean): number {
    const { backOffMax, backOffRefused } = this.#timing;
    const longest = Math.min(backOffMax, refused ? Math.max(this.#next, backOffRefused) : this.#next);
    this.#next = Math.min(backOffMax, longest * 2);
    return Math.round(longest / 2 + (this.#random() * longest) / 2);
  }

  /** All went well: the next failure is the first one again. */
  reset(): void {
    this.#next = this.#timing.backOffFirst;
  }
}
