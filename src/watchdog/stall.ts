/**
 * Judges from one thread whether another thread still turns. Time in which the judge itself did not run does not
 * count. After a pause of the process or the machine no thread has had time to turn, so the other gets one more
 * interval.
 */
export class StallJudge {
  readonly #limitMs: number;
  readonly #intervalMs: number;
  #lookedAtMs: number | undefined;
  #turns = 0;
  #stillForMs = 0;

  /**
   * @param limitMs Milliseconds that the other thread may stand still.
   * @param intervalMs Milliseconds between two calls of `look`.
   */
  constructor(limitMs: number, intervalMs: number) {
    this.#limitMs = limitMs;
    this.#intervalMs = intervalMs;
  }

  /** True if the other thread, which has made so many turns, has stood still for too long at this monotonic time. */
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
