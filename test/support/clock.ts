import type { Clock } from '../../src/core/clock.ts';

interface Timer {
  readonly atMs: number;
  readonly callback: () => void;
}

/** A clock that stands still until a test moves it. */
export class ManualClock implements Clock {
  #nowMs: number;
  #monotonicMs = 0;
  readonly #timers = new Set<Timer>();

  constructor(nowMs = 1_800_000_000_000) {
    this.#nowMs = nowMs;
  }

  now(): number {
    return this.#nowMs;
  }

  monotonic(): number {
    return this.#monotonicMs;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { atMs: this.#monotonicMs + ms, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Moves time on; what becomes due on the way is called back in order of its time. */
  advance(ms: number): void {
    const endMs = this.#monotonicMs + ms;
    for (let next = this.#first(endMs); next !== undefined; next = this.#first(endMs)) {
      this.#moveTo(Math.max(next.atMs, this.#monotonicMs));
      this.#timers.delete(next);
      next.callback();
    }
    this.#moveTo(endMs);
  }

  /** Time passes while the process does not run: what becomes due meanwhile is called back at the end, late. */
  pause(ms: number): void {
    this.#moveTo(this.#monotonicMs + ms);
    this.advance(0);
  }

  /** How many callbacks are still to come. */
  get timers(): number {
    return this.#timers.size;
  }

  #first(endMs: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.atMs <= endMs && (first === undefined || timer.atMs < first.atMs)) first = timer;
    }
    return first;
  }

  #moveTo(monotonicMs: number): void {
    this.#nowMs += monotonicMs - this.#monotonicMs;
    this.#monotonicMs = monotonicMs;
  }
}
