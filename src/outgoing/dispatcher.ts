import type { Clock, Random } from '../core/clock.ts';
import type { Attempt, Delivery, Verdict } from '../core/delivery.ts';
import { judge } from '../core/judge.ts';
import type { Observe } from '../core/observation.ts';
import type { Outbox } from '../core/outbox.ts';
import type { RetryPolicy } from '../core/retry-policy.ts';
import type { OutgoingPool } from './pool.ts';

export interface DispatcherOptions {
  readonly outbox: Outbox;
  readonly pool: OutgoingPool;
  /** How many deliveries are under way at a time. */
  readonly workers: number;
  readonly retry: RetryPolicy;
}

export interface DispatcherSurroundings {
  readonly clock: Clock;
  readonly random: Random;
  readonly observe: Observe;
  /** Resolves after so many milliseconds. */
  readonly pause: (ms: number) => Promise<void>;
}

/**
 * A worker pauses after an attempt that got no answer, or one without an end, in milliseconds; twice as long after each
 * further one. Else a receiver that refuses, resets or floods at once would cost thousands of connections a second, and
 * even hundreds made another pool's p99 twice as long.
 */
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 800;

/** So many ends of one worker may wait for the disk, lest many requests go out once more if the process is killed. */
const MOST_UNWRITTEN = 8;

/** Takes deliveries from an outbox to its pool; resolves once the outbox hands out no more and all are settled. */
export async function dispatch(
  options: DispatcherOptions,
  surroundings: DispatcherSurroundings,
): Promise<void> {
  await Promise.all(Array.from({ length: options.workers }, () => work(options, surroundings)));
}

async function work(options: DispatcherOptions, surroundings: DispatcherSurroundings): Promise<void> {
  const { outbox, pool, retry } = options;
  const { clock, random, pause } = surroundings;
  // While ends are being written the next requests go out already.
  const ends: Promise<void>[] = [];
  let pauseMs = 0;
  for (;;) {
    const delivery = await outbox.lease();
    if (delivery === undefined) break;
    const attempt = await pool.post(delivery.notification);
    const nowMs = clock.now();
    const verdict = judge(retry, delivery, attempt, { nowMs, random });
    ends.push(settle({ delivery, attempt, verdict, nowMs }, options, surroundings));
    if (ends.length > MOST_UNWRITTEN) await ends.shift();
    const isGood = attempt.errorCode === undefined && !attempt.wasCut;
    pauseMs = isGood ? 0 : Math.min(Math.max(2 * pauseMs, FIRST_PAUSE_MS), LONGEST_PAUSE_MS);
    if (!isGood) await pause(pauseMs);
  }
  await Promise.all(ends);
}

interface Judged {
  readonly delivery: Delivery;
  readonly attempt: Attempt;
  readonly verdict: Verdict;
  /** When it was judged. */
  readonly nowMs: number;
}

async function settle(
  judged: Judged,
  { outbox, pool }: DispatcherOptions,
  { observe }: DispatcherSurroundings,
): Promise<void> {
  const { delivery, verdict, attempt } = judged;
  if (await outbox.settle(delivery, verdict, attempt)) observeVerdict(observe, judged, pool.receiver);
}

function observeVerdict(
  observe: Observe,
  { delivery, attempt, verdict, nowMs }: Judged,
  receiver: string,
): void {
  const { notification, attempts } = delivery;
  if (verdict.kind === 'delivered') return observe({ kind: 'notification-delivered', notification, attempt });
  const facts = { receiver, number: attempts + 1, ageMs: nowMs - notification.acceptedAtMs };
  if (verdict.kind === 'dead') {
    observe({ kind: 'notification-dead', notification, reason: verdict.reason, attempt, facts });
  } else observe({ kind: 'notification-retried', notification, attempt, facts, afterMs: verdict.afterMs });
}
