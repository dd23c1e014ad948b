/**
 * Which of the waiting deliveries may be attempted: `sender`: no two of one sender at a time, first attempts in order, a
 * failed one waits aside; `strict`: a sender's next only once the one before is settled; `none`: any that is due.
 */
export const deliveryOrders = ['sender', 'none', 'strict'] as const;
export type DeliveryOrder = (typeof deliveryOrders)[number];

/** All statuses that begin with this digit, but those that say "never" (`saidForGood` in judge.ts). */
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
  /** HTTP statuses that are tried again; every other but 2xx is dead at once. */
  readonly statuses: readonly (number | StatusClass)[];
}

/** How far beyond `max_delay` a receiver's Retry-After may put the next attempt. */
const RETRY_AFTER_FACTOR = 6;

/** The longest wait between two attempts that is ever given, in milliseconds. */
export function longestWaitMs({ maxDelayMs }: RetryPolicy): number {
  return maxDelayMs * RETRY_AFTER_FACTOR;
}

/** The back-off after so many attempts before the last one, in milliseconds; the wait is between half of it and all of it. */
export function longestBackOffMs({ firstDelayMs, maxDelayMs }: RetryPolicy, attemptsBefore: number): number {
  return Math.min(maxDelayMs, firstDelayMs * 2 ** attemptsBefore);
}

/**
 * What is left of a wait that an earlier run began after so many attempts. One that is longer than any wait we give says
 * that the machine's clock was set back meanwhile: then it is the longest that those attempts could have led to.
 */
export function believableWaitMs(policy: RetryPolicy, attempts: number, waitMs: number): number {
  return waitMs <= longestWaitMs(policy) ? waitMs : longestBackOffMs(policy, attempts - 1);
}
