/**
 * Which of the waiting deliveries may be attempted: `sender`: no two of one sender at a time, first attempts in order, a
 * failed one waits aside; `strict`: a sender's next only once the one before is settled; `none`: any that is due.
 */
export type DeliveryOrder = 'sender' | 'none' | 'strict';

/** All statuses that begin with this digit, but those that say "never" (`saidForGood` in judge.ts). */
export type StatusClass = '3xx' | '4xx' | '5xx';

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
