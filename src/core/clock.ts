/** Time as the core sees it: passed in, so that tests need no waiting. */
export interface Clock {
  /** Unix time in milliseconds; may jump when the machine's clock is set. */
  now(): number;
  /** Milliseconds that never go back: for durations. */
  monotonic(): number;
  /** Calls back once after `ms` milliseconds; the returned function takes it back. */
  after(ms: number, callback: () => void): () => void;
}

/** A number in [0, 1): `Math.random` or a test's own. */
export type Random = () => number;
