/**
 * Which of the waiting deliveries may be attempted:
 * `sender`: no two of one sender at a time, first attempts in order; a failed one waits aside.
 * `strict`: a sender's next only once the one before is settled.
 * `none`: any that is due.
 */
export const deliveryOrders = ['sender', 'none', 'strict'] as const;
export type DeliveryOrder = (typeof deliveryOrders)[number];

/** All statuses that begin with this digit, except those that say "never" (`saidForGood` in judge.ts). */
export const statusClasses = ['3xx', '4xx', '5xx'] as const;
export type StatusClass = (typeof statusClasses)[number];

/** When a notification that could not be delivered is tried again, and for how long. */
export interface RetryPolicy {
  /** The first wait in milliseconds, doubled after each further attempt. */
  readonly firstDelayMs: number;
  /** The longest wait in milliseconds. */
  readonly maxDelayMs: number;
  /** The age in milliseconds at which an undelivered notification is dead; 0: one attempt. */
  readonly maxAgeMs: number;
  readonly order: DeliveryOrder;
  /** HTTP statuses that are retried. With any other, except 2xx, a notification is dead at once. */
  readonly statuses: readonly (number | StatusClass)[];
}

/** How far beyond `max_delay` a receiver's Retry-After may put the next attempt. */
const RETRY_AFTER_FACTOR = 6;

/** The longest wait that a receiver's Retry-After is given, in milliseconds. */
export function longestRetryAfterMs({ maxDelayMs }: RetryPolicy): number {
  return maxDelayMs * RETRY_AFTER_FACTOR;
}

/** The longest wait between two attempts, whatever its cause, in milliseconds. */
function longestWaitMs(policy: RetryPolicy): number {
  return Math.max(policy.maxDelayMs, longestRetryAfterMs(policy));
}

/** Longest wait after attempt `attemptsBefore` + 1, in milliseconds. The real one is random, from half of it up. */
export function longestBackOffMs({ firstDelayMs, maxDelayMs }: RetryPolicy, attemptsBefore: number): number {
  return Math.min(maxDelayMs, firstDelayMs * 2 ** attemptsBefore);
}

/**
 * What is left of a stored wait, in milliseconds. If it exceeds any wait that we give, the clock was set back: then it is
 * the longest back-off for these attempts.
 */
export function believableWaitMs(policy: RetryPolicy, attempts: number, waitMs: number): number {
  return waitMs <= longestWaitMs(policy) ? waitMs : longestBackOffMs(policy, attempts - 1);
}
