/** The port for time: tests pass in a clock of their own and need not wait. */
export interface Clock {
  /** Unix time in milliseconds; may jump when the machine's clock is set. */
  now(): number;
  /** Milliseconds that never go back: for durations. */
  monotonic(): number;
  /** Calls back once after `ms` milliseconds; the returned function cancels it. */
  after(ms: number, callback: () => void): () => void;
}

/** A number in [0, 1): `Math.random` or a test's own. */
export type Random = () => number;
