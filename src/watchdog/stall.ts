/**
 * Judges from one thread whether another still turns. Time that the judge itself did not get does not count: after a
 * pause of the whole process or machine nobody has had time to turn, so that one more interval is given.
 */
export class StallJudge {
  readonly #limitMs: number;
  readonly #intervalMs: number;
  #lookedAtMs: number | undefined;
  #turns = 0;
  #stillForMs = 0;

  /**
   * @param limitMs How long the other thread may stand still.
   * @param intervalMs How often `look` is going to be called.
   */
  constructor(limitMs: number, intervalMs: number) {
    this.#limitMs = limitMs;
    this.#intervalMs = intervalMs;
  }

  /** True if the other thread, which has counted so many turns, stands still for too long at this moment (any monotonic time). */
  look(nowMs: number, turns: number): boolean {
    const sinceMs = nowMs - (this.#lookedAtMs ?? nowMs);
    this.#lookedAtMs = nowMs;
    const isLate = sinceMs > 2 * this.#intervalMs;
    if (isLate || turns !== this.#turns) this.#stillForMs = 0;
    else this.#stillForMs += sinceMs;
    this.#turns = turns;
    return this.#stillForMs >= this.#limitMs;
  }

  /** Forgets how long the other thread has stood still. */
  forgive(): void {
    this.#stillForMs = 0;
  }
}
