import type { Attempt, Delivery, Rest, RetryCause, Verdict } from '../core/delivery.ts';
import {
  longestBackOffMs,
  longestRetryAfterMs,
  type RetryPolicy,
  type StatusClass,
} from '../core/retry-policy.ts';

/** Statuses that say "never" (RFC 9110: not implemented, gone). A class such as `5xx` does not include them. */
const saidForGood = new Set([410, 501]);
/** Statuses whose Retry-After speaks of the receiver, not of one request (RFC 6585, section 4; RFC 9110, section 15.6.4). */
const saidOfTheReceiver = new Set([429, 503]);

/** When an attempt is judged, and the chance in its back-off. All that one POST carried have the same, and come due together. */
export interface Moment {
  /** Unix time in milliseconds. */
  readonly nowMs: number;
  /** In [0, 1). */
  readonly chance: number;
}

/**
 * Decides what becomes of a delivery after an attempt, and sets when its next one is due. The outbox may send it earlier:
 * after an outage (`Turns.release`), or as the oldest of its sender. `restMs` asks the outbox to send nothing to the whole
 * destination meanwhile (`RequestLimit`).
 */
export function judge(policy: RetryPolicy, delivery: Delivery, attempt: Attempt, moment: Moment): Verdict {
  if (attempt.outcome === '2xx') return { kind: 'delivered' };
  const askedMs = retryAfterMs(policy, attempt, moment.nowMs);
  const rest = restOf(attempt, askedMs);
  if (attempt.status !== undefined && !isRetried(policy, attempt.status)) {
    return { kind: 'dead', reason: 'rejected', ...rest };
  }
  const expiresInMs = policy.maxAgeMs - delivery.ageMs;
  if (expiresInMs <= 0) return { kind: 'dead', reason: 'expired', ...rest };
  const cause: RetryCause = askedMs === undefined ? 'back-off' : 'retry-after';
  const waitMs = askedMs ?? backOffMs(policy, delivery.attempts, moment.chance);
  // The last attempt is made at max_age, whatever set the wait.
  return { kind: 'retry', afterMs: Math.min(waitMs, expiresInMs), cause, ...rest };
}

/** Between half of the doubled delay and all of it. */
function backOffMs(policy: RetryPolicy, attempts: number, chance: number): number {
  return (longestBackOffMs(policy, attempts) * (1 + chance)) / 2;
}

function restOf({ status }: Attempt, askedMs: number | undefined): Rest {
  if (askedMs === undefined || status === undefined || !saidOfTheReceiver.has(status)) return {};
  return { restMs: askedMs };
}

function isRetried({ statuses }: RetryPolicy, status: number): boolean {
  if (statuses.includes(status)) return true;
  return !saidForGood.has(status) && statuses.includes(`${Math.floor(status / 100)}xx` as StatusClass);
}

/** RFC 9110, section 10.2.3: seconds or a date; one that does not lie ahead says nothing. */
function retryAfterMs(policy: RetryPolicy, { retryAfter }: Attempt, nowMs: number): number | undefined {
  if (retryAfter === undefined) return undefined;
  const waitMs = /^\d+$/.test(retryAfter) ? Number(retryAfter) * 1000 : parseHttpDate(retryAfter) - nowMs;
  if (!(waitMs > 0)) return undefined;
  return Math.min(waitMs, longestRetryAfterMs(policy));
}

/** RFC 9110, section 5.6.7: three forms; the oldest names no time zone and means GMT. NaN if it is none of them. */
function parseHttpDate(text: string): number {
  // Date.parse takes nearly any text with a number in it for a date.
  if (!/^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)/.test(text)) return Number.NaN;
  return Date.parse(text.endsWith(' GMT') ? text : `${text} GMT`);
}
