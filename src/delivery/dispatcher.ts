import type { Attempt, HttpRequest, Notification, Verdict } from '../core/delivery.ts';
import type { AttemptFacts, Observe } from '../core/observation.ts';
import type { Lease, Outbox } from '../core/outbox.ts';
import type { RetryPolicy } from '../core/retry-policy.ts';
import type { OutgoingPool, DeliveryPorts } from './http/pool.ts';
import { judge } from './judge.ts';

export interface DispatcherOptions {
  readonly outbox: Outbox;
  readonly pool: OutgoingPool;
  /** How many requests are under way at a time. */
  readonly workers: number;
  readonly retry: RetryPolicy;
  /** What one POST carries; if not given, one notification. */
  readonly batch?: Batch;
}

/** How notifications of one backend go out together. */
export interface Batch {
  /** The most that one POST carries. */
  readonly most: number;
  /** Makes one request of one or more notifications. `combine` chooses the POST's `webhook-id` and body. */
  readonly combine: (notifications: readonly Notification[]) => HttpRequest;
}

/** So many ends per worker may be unwritten. After a kill these are sent again. */
const MOST_UNWRITTEN = 8;

/** Sends to the pool what the outbox hands out. Resolves once the outbox hands out no more and all is settled. */
export async function dispatch(options: DispatcherOptions, ports: DeliveryPorts): Promise<void> {
  await Promise.all(Array.from({ length: options.workers }, () => work(options, ports)));
}

/** One POST after the other: it is judged once, and each lease that it carried is settled with its own verdict. */
async function work(options: DispatcherOptions, ports: DeliveryPorts): Promise<void> {
  const { outbox, pool, retry, batch } = options;
  const { clock, random } = ports;
  const most = batch?.most ?? 1;
  // The next requests go out while ends are being written.
  const ends: Promise<void>[] = [];
  for (;;) {
    const leases = await outbox.lease(most);
    if (leases.length === 0) break;
    const attempt = await pool.post(requestOf(leases, batch));
    const moment = { nowMs: clock.now(), chance: random() };
    for (const lease of leases) {
      const verdict = judge(retry, lease, attempt, moment);
      ends.push(settle({ lease, attempt, verdict }, pool.receiver, ports.observe));
    }
    while (ends.length > MOST_UNWRITTEN * most) await ends.shift();
  }
  await Promise.all(ends);
}

/** A notification is a request by itself. */
function requestOf(leases: readonly Lease[], batch: Batch | undefined): HttpRequest {
  if (batch === undefined) return leases[0]!.notification;
  return batch.combine(leases.map(({ notification }) => notification));
}

interface Judged {
  readonly lease: Lease;
  readonly attempt: Attempt;
  readonly verdict: Verdict;
}

async function settle(judged: Judged, receiver: string, observe: Observe): Promise<void> {
  const { lease, attempt, verdict } = judged;
  if (verdict.kind === 'delivered') {
    const { notification } = lease;
    if (await lease.settle(verdict, attempt))
      observe({ kind: 'notification-delivered', notification, attempt });
    return;
  }
  // Its age when it was judged: the disk may take a while to write the verdict.
  const facts = { receiver, number: lease.attempts + 1, ageMs: lease.ageMs };
  if (await lease.settle(verdict, attempt)) observeFailure(judged, verdict, facts, observe);
}

function observeFailure(
  { lease: { notification }, attempt }: Judged,
  verdict: Exclude<Verdict, { kind: 'delivered' }>,
  facts: AttemptFacts,
  observe: Observe,
): void {
  if (verdict.kind === 'dead') {
    return observe({ kind: 'notification-dead', notification, reason: verdict.reason, attempt, facts });
  }
  const { afterMs, cause } = verdict;
  observe({ kind: 'notification-retried', notification, attempt, facts, afterMs, cause });
}
