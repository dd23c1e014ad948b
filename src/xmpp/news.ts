/** While a failure repeats, it is told so often (ms). */
const REPEAT_AFTER_MS = 60_000;
/** So many outages in that time are told each from its beginning: a server may let us in and close at once, for ever. */
const MOST_OUTAGES = 3;
/** So many different reasons of one outage are told in that time: servers may bring texts of their own. */
const MOST_REASONS = 10;

/** Says what of a session's ups and downs is news, and what repeats what was told less than a minute ago. */
export class News {
  /** Reason of a failure, and when it was told. */
  readonly #told = new Map<string, number>();
  /** When those outages began that were told from their beginning. */
  #outages: readonly number[] = [];
  #isOnlineTold = false;

  /** Whether a failure is news; `wasOnline`: an outage begins with it. */
  failure(reason: string, wasOnline: boolean, nowMs: number): boolean {
    const isRecent = (atMs: number): boolean => nowMs - atMs < REPEAT_AFTER_MS;
    this.#outages = this.#outages.filter(isRecent);
    if (wasOnline && this.#outages.length < MOST_OUTAGES) {
      this.#outages = [...this.#outages, nowMs];
      this.#told.clear();
    }
    for (const [told, atMs] of this.#told) if (!isRecent(atMs)) this.#told.delete(told);
    if (this.#told.has(reason) || this.#told.size === MOST_REASONS) return false;
    this.#told.set(reason, nowMs);
    this.#isOnlineTold = false;
    return true;
  }

  /** Whether being online is news: the last that was told is something else. */
  online(): boolean {
    const isNews = !this.#isOnlineTold;
    this.#isOnlineTold = true;
    return isNews;
  }
}
