import type { Clock, Random } from '../core/clock.ts';
import type { Attempt, Verdict } from '../core/delivery.ts';
import { judge } from './judge.ts';
import type { Observe } from '../core/observation.ts';
import type { Lease, Outbox } from '../core/outbox.ts';
import type { RetryPolicy } from '../core/retry-policy.ts';
import type { OutgoingPool } from './http/pool.ts';

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
}

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
  const { clock, random } = surroundings;
  // While ends are being written the next requests go out already.
  const ends: Promise<void>[] = [];
  for (;;) {
    const [lease] = await outbox.lease(1);
    if (lease === undefined) break;
    const attempt = await pool.post(lease.notification);
    const verdict = judge(retry, lease, attempt, { nowMs: clock.now(), random });
    ends.push(settle({ lease, attempt, verdict, ageMs: lease.ageMs }, options, surroundings));
    if (ends.length > MOST_UNWRITTEN) await ends.shift();
  }
  await Promise.all(ends);
}

interface Judged {
  readonly lease: Lease;
  readonly attempt: Attempt;
  readonly verdict: Verdict;
  /** How old the notification was then. */
  readonly ageMs: number;
}

async function settle(
  judged: Judged,
  { pool }: DispatcherOptions,
  { observe }: DispatcherSurroundings,
): Promise<void> {
  const { lease, verdict, attempt } = judged;
  if (await lease.settle(verdict, attempt)) observeVerdict(observe, judged, pool.receiver);
}

function observeVerdict(
  observe: Observe,
  { lease, attempt, verdict, ageMs }: Judged,
  receiver: string,
): void {
  const { notification, attempts } = lease;
  if (verdict.kind === 'delivered') return observe({ kind: 'notification-delivered', notification, attempt });
  const facts = { receiver, number: attempts + 1, ageMs };
  if (verdict.kind === 'dead') {
    observe({ kind: 'notification-dead', notification, reason: verdict.reason, attempt, facts });
  } else observe({ kind: 'notification-retried', notification, attempt, facts, afterMs: verdict.afterMs });
}
