import type { Random } from './clock.ts';
import type { Attempt, Delivery, Verdict } from './delivery.ts';
import type { RetryPolicy, StatusClass } from './retry-policy.ts';

/** Statuses that say "never" (RFC 9110: not implemented, gone): their class does not name them, only they themselves. */
const saidForGood = new Set([410, 501]);
/** How far beyond `max_delay` a receiver's Retry-After may put the next attempt. */
const RETRY_AFTER_FACTOR = 6;

/** Decides what becomes of a delivery after an attempt; `nowMs` is Unix time. */
export function judge(
  policy: RetryPolicy,
  delivery: Delivery,
  attempt: Attempt,
  { nowMs, random }: { nowMs: number; random: Random },
): Verdict {
  if (attempt.outcome === '2xx') return { kind: 'delivered' };
  if (attempt.status !== undefined && !isRetried(policy, attempt.status))
    return { kind: 'dead', reason: 'rejected' };
  const expiresInMs = delivery.notification.acceptedAtMs + policy.maxAgeMs - nowMs;
  if (expiresInMs <= 0) return { kind: 'dead', reason: 'expired' };
  const afterMs = retryAfterMs(policy, attempt, nowMs) ?? backOffMs(policy, delivery.attempts, random);
  return { kind: 'retry', afterMs: Math.min(afterMs, expiresInMs) };
}

function isRetried({ statuses }: RetryPolicy, status: number): boolean {
  if (statuses.includes(status)) return true;
  return !saidForGood.has(status) && statuses.includes(`${Math.floor(status / 100)}xx` as StatusClass);
}

/** Between half of the doubled delay and all of it, so that a receiver coming back is not met by everybody at once. */
function backOffMs(policy: RetryPolicy, attempts: number, random: Random): number {
  const delayMs = Math.min(policy.maxDelayMs, policy.firstDelayMs * 2 ** attempts);
  return (delayMs * (1 + random())) / 2;
}

/** RFC 9110, section 10.2.3: seconds or a date; one that lies not ahead says nothing. */
function retryAfterMs(policy: RetryPolicy, { retryAfter }: Attempt, nowMs: number): number | undefined {
  if (retryAfter === undefined) return undefined;
  const waitMs = /^\d+$/.test(retryAfter) ? Number(retryAfter) * 1000 : parseHttpDate(retryAfter) - nowMs;
  if (!(waitMs > 0)) return undefined;
  return Math.min(waitMs, policy.maxDelayMs * RETRY_AFTER_FACTOR);
}

/** RFC 9110, section 5.6.7: three forms, of which the oldest names no time zone and means GMT. NaN if it is none. */
function parseHttpDate(text: string): number {
  // Date.parse takes nearly any text with a number in it for a date.
  if (!/^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)/.test(text)) return Number.NaN;
  return Date.parse(text.endsWith(' GMT') ? text : `${text} GMT`);
}
