import type { Random } from '../../core/clock.ts';

// What a session remembers from one connection to the next: how long to wait, and what the log was told.

/** A server that is away, or comes back, must not be missed for long: all that is sent meanwhile is lost. */
const SOONEST_MS = 100;
const LATEST_MS = 1000;

/** Milliseconds that a session waits after a refusal: at random between half of the value and all of it. */
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
  next(isRefusal: boolean): number {
    if (!isRefusal) return this.#between(SOONEST_MS, LATEST_MS);
    const longest = this.#next;
    this.#next = Math.min(this.#timing.backOffMax, longest * 2);
    return this.#between(longest / 2, longest);
  }

  /** After success: the next refusal counts as the first again. */
  reset(): void {
    this.#next = this.#timing.backOffFirst;
  }

  #between(least: number, most: number): number {
    return Math.round(least + this.#random() * (most - least));
  }
}

/** While a failure repeats, it is told once in this time (ms). */
const REPEAT_AFTER_MS = 60_000;
/**
 * At most so many outages in that time are told from their beginning: a server may let us in and close again, without
 * end.
 */
const MOST_OUTAGES = 3;
/** So many different reasons of one outage are told in that time: servers may bring texts of their own. */
const MOST_REASONS = 10;

/** Says which of a session's ups and downs repeat what was told less than a minute ago. */
export class RepeatFilter {
  /** Reason of a failure, and when it was told. */
  readonly #told = new Map<string, number>();
  /** When those outages began that were told from their beginning. */
  #outages: readonly number[] = [];
  #isOnlineTold = false;

  /** Whether a failure is a repeat; `wasOnline`: an outage begins with it. */
  isRepeatedFailure(reason: string, wasOnline: boolean, nowMs: number): boolean {
    const isRecent = (atMs: number): boolean => nowMs - atMs < REPEAT_AFTER_MS;
    this.#outages = this.#outages.filter(isRecent);
    if (wasOnline && this.#outages.length < MOST_OUTAGES) {
      this.#outages = [...this.#outages, nowMs];
      this.#told.clear();
    }
    for (const [told, atMs] of this.#told) if (!isRecent(atMs)) this.#told.delete(told);
    if (this.#told.has(reason) || this.#told.size === MOST_REASONS) return true;
    this.#told.set(reason, nowMs);
    this.#isOnlineTold = false;
    return false;
  }

  /** Whether being online is a repeat: so it is if online was the last thing told. */
  isRepeatedOnline(): boolean {
    const isRepeat = this.#isOnlineTold;
    this.#isOnlineTold = true;
    return isRepeat;
  }
}
