import type { Clock } from '../core/clock.ts';

/** A time limit that has begun. */
interface Deadline {
  readonly atMs: number;
  readonly expire: () => void;
}

/** Time limits of one length. They end in the order in which they begin, so one timer serves them all. */
export class Deadlines {
  readonly #limitMs: number;
  readonly #clock: Clock;
  /** In the order of their beginning, as sets are. */
  readonly #open = new Set<Deadline>();
  #cancelTimer: (() => void) | undefined;
  #isClosed = false;

  constructor(limitMs: number, clock: Clock) {
    this.#limitMs = limitMs;
    this.#clock = clock;
  }

  /** Calls `expire` when the limit is over, unless the deadline was ended before. */
  begin(expire: () => void): Deadline {
    const deadline = { atMs: this.#clock.monotonic() + this.#limitMs, expire };
    this.#open.add(deadline);
    if (this.#cancelTimer === undefined) this.#wait(this.#limitMs);
    return deadline;
  }

  end(deadline: Deadline): void {
    this.#open.delete(deadline);
    if (this.#isClosed) this.close();
  }

  /** To be called when no more will begin: the timer goes with the last one. */
  close(): void {
    this.#isClosed = true;
    if (this.#open.size === 0) this.#cancelTimer?.();
  }

  #wait(ms: number): void {
    this.#cancelTimer = this.#clock.after(ms, () => this.#look());
  }

  #look(): void {
    const nowMs = this.#clock.monotonic();
    this.#cancelTimer = undefined;
    for (const deadline of this.#open) {
      if (deadline.atMs > nowMs) return this.#wait(Math.ceil(deadline.atMs - nowMs));
      this.#open.delete(deadline);
      deadline.expire();
    }
  }
}
