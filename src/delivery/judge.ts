import type { Random } from '../core/clock.ts';
import type { Attempt, Delivery, Rest, Verdict } from '../core/delivery.ts';
import { longestBackOffMs, longestWaitMs, type RetryPolicy, type StatusClass } from '../core/retry-policy.ts';

/** Statuses that say "never" (RFC 9110: not implemented, gone): their class does not name them, only they themselves. */
const saidForGood = new Set([410, 501]);
/** Statuses whose Retry-After speaks of the receiver, not of one request (RFC 6585, section 4; RFC 9110, section 15.6.4). */
const saidOfTheReceiver = new Set([429, 503]);

/** Decides what becomes of a delivery after an attempt; `nowMs` is Unix time. */
export function judge(
  policy: RetryPolicy,
  delivery: Delivery,
  attempt: Attempt,
  { nowMs, random }: { nowMs: number; random: Random },
): Verdict {
  if (attempt.outcome === '2xx') return { kind: 'delivered' };
  const askedMs = retryAfterMs(policy, attempt, nowMs);
  const rest = restOf(attempt, askedMs);
  if (attempt.status !== undefined && !isRetried(policy, attempt.status))
    return { kind: 'dead', reason: 'rejected', ...rest };
  const expiresInMs = policy.maxAgeMs - delivery.ageMs;
  if (expiresInMs <= 0) return { kind: 'dead', reason: 'expired', ...rest };
  const afterMs = askedMs ?? (longestBackOffMs(policy, delivery.attempts) * (1 + random())) / 2;
  return { kind: 'retry', afterMs: Math.min(afterMs, expiresInMs), ...rest };
}

function restOf({ status }: Attempt, askedMs: number | undefined): Rest {
  if (askedMs === undefined || status === undefined || !saidOfTheReceiver.has(status)) return {};
  return { restMs: askedMs };
}

function isRetried({ statuses }: RetryPolicy, status: number): boolean {
  if (statuses.includes(status)) return true;
  return !saidForGood.has(status) && statuses.includes(`${Math.floor(status / 100)}xx` as StatusClass);
}

/** RFC 9110, section 10.2.3: seconds or a date; one that lies not ahead says nothing. */
function retryAfterMs(policy: RetryPolicy, { retryAfter }: Attempt, nowMs: number): number | undefined {
  if (retryAfter === undefined) return undefined;
  const waitMs = /^\d+$/.test(retryAfter) ? Number(retryAfter) * 1000 : parseHttpDate(retryAfter) - nowMs;
  if (!(waitMs > 0)) return undefined;
  return Math.min(waitMs, longestWaitMs(policy));
}

/** RFC 9110, section 5.6.7: three forms, of which the oldest names no time zone and means GMT. NaN if it is none. */
function parseHttpDate(text: string): number {
  // Date.parse takes nearly any text with a number in it for a date.
  if (!/^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)/.test(text)) return Number.NaN;
  return Date.parse(text.endsWith(' GMT') ? text : `${text} GMT`);
}
