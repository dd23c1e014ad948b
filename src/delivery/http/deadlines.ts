import { Chain, type Linked } from '../../core/chain.ts';
import type { Clock } from '../../core/clock.ts';
import { afterReading } from '../../node/clock.ts';

/** A time limit that runs. */
interface Deadline extends Linked<Deadline> {
  readonly atMs: number;
  readonly expire: () => void;
  isOpen: boolean;
}

/**
 * Time limits of one length. They end in the order in which they begin, so one timer serves them all. If this process was
 * stopped for a while, they end one length later: responses that wait to be read must not count as missing.
 */
export class Deadlines {
  readonly #limitMs: number;
  readonly #clock: Clock;
  readonly #open = new Chain<Deadline>();
  #cancelTimer: (() => void) | undefined;
  #isClosed = false;

  constructor(limitMs: number, clock: Clock) {
    this.#limitMs = limitMs;
    this.#clock = clock;
  }

  /** Calls `expire` when the limit is over, unless the deadline was ended before. */
  begin(expire: () => void): Deadline {
    const atMs = this.#clock.monotonic() + this.#limitMs;
    const deadline: Deadline = { atMs, expire, isOpen: true, previous: undefined, next: undefined };
    this.#open.push(deadline);
    if (this.#cancelTimer === undefined) this.#wait(this.#limitMs);
    return deadline;
  }

  end(deadline: Deadline): void {
    if (!deadline.isOpen) return;
    deadline.isOpen = false;
    this.#open.remove(deadline);
    if (this.#isClosed) this.close();
  }

  /** To be called when no more will begin: the timer ends with the last of them. */
  close(): void {
    this.#isClosed = true;
    if (this.#open.isEmpty()) this.#cancelTimer?.();
  }

  #wait(ms: number): void {
    this.#cancelTimer = afterReading(this.#clock, ms, () => this.#look(), this.#limitMs);
  }

  #look(): void {
    const nowMs = this.#clock.monotonic();
    this.#cancelTimer = undefined;
    for (let first = this.#open.first; first !== undefined; first = this.#open.first) {
      if (first.atMs > nowMs) return this.#wait(Math.ceil(first.atMs - nowMs));
      this.end(first);
      first.expire();
    }
  }
}
