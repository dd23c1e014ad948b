import type { Clock } from '../core/clock.ts';

/** Calls once at the earliest of the moments that were set. */
export class Alarm {
  readonly #clock: Clock;
  readonly #ring: () => void;
  #next: { readonly atMs: number; readonly cancel: () => void } | undefined;

  constructor(clock: Clock, ring: () => void) {
    this.#clock = clock;
    this.#ring = ring;
  }

  /** @param atMs Monotonic time in milliseconds. */
  set(atMs: number): void {
    if (this.#next !== undefined && this.#next.atMs <= atMs) return;
    this.cancel();
    const ring = (): void => {
      this.#next = undefined;
      this.#ring();
    };
    const waitMs = Math.max(0, atMs - this.#clock.monotonic());
    this.#next = { atMs, cancel: this.#clock.after(waitMs, ring) };
  }

  cancel(): void {
    this.#next?.cancel();
    this.#next = undefined;
  }
}
