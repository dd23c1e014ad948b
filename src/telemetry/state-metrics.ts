import Counter from 'prom-client/lib/counter.js';
import Gauge from 'prom-client/lib/gauge.js';
import type Registry from 'prom-client/lib/registry.js';
import type { Ledger, LedgerState } from '../core/ledger.ts';
import type { OutboxCounts } from '../core/outbox.ts';

/** Where the state is that scrapes show. */
export interface StateOptions {
  readonly version: string;
  readonly ledger: Ledger;
  /** Each outgoing pool's label and what its outbox holds now. */
  readonly outboxes: () => Iterable<readonly [pool: string, counts: OutboxCounts]>;
  /** Each outgoing pool's limits, as configured. */
  readonly limits: Iterable<readonly [pool: string, limits: PoolLimits]>;
  /** For each backend, how many events it did not want. */
  readonly declined: () => Iterable<readonly [backend: string, events: number]>;
  readonly isWritable: () => boolean;
  /** How many dead letters are kept now. */
  readonly deadLetters: () => number;
  readonly nowMs: () => number;
}

export interface PoolLimits {
  readonly capacity: number;
  readonly workers: number;
}

const ledgerStates: readonly LedgerState[] = ['accepted', 'delivered', 'dead', 'dropped'];

/** The gauges; names and labels are part of the contract with operators. */
function gaugesOf(registry: Registry) {
  const gauge = <Label extends string>(name: string, help: string, ...labelNames: Label[]) =>
    new Gauge({ name, help, labelNames, registers: [registry] });
  return {
    depth: gauge('event_pusher_outbox_depth', 'Notifications waiting.', 'pool'),
    oldest: gauge(
      'event_pusher_outbox_oldest_age_seconds',
      'Age of the oldest notification that is not settled, or not written yet; 0 if there is none.',
      'pool',
    ),
    unwritten: gauge(
      'event_pusher_outbox_unwritten',
      'Notifications handed to the store and not written yet: they are not accepted.',
      'pool',
    ),
    inFlight: gauge('event_pusher_in_flight', 'Notifications being sent.', 'pool'),
    capacity: gauge('event_pusher_outbox_capacity', 'Most notifications that may wait.', 'pool'),
    workers: gauge('event_pusher_pool_workers', 'Most notifications that are sent at a time.', 'pool'),
    writable: gauge('event_pusher_outbox_writable', '1 while the outbox takes notifications.'),
    deadLetters: gauge('event_pusher_dead_letters', 'Dead letters kept now.'),
    buildInfo: gauge('event_pusher_build_info', 'Always 1.', 'version', 'node'),
  };
}

/**
 * The metrics that show a state; the returned function reads it, all in one synchronous step, so that the ledger's
 * equation holds in every scrape.
 */
export function stateMetrics(registry: Registry, options: StateOptions): () => void {
  const { depth, oldest, unwritten, inFlight, writable, deadLetters, ...constant } = gaugesOf(registry);
  const notifications = new Counter({
    name: 'event_pusher_notifications_total',
    help: 'What became of notifications: accepted = delivered + dead + dropped + depth + in flight.',
    labelNames: ['backend', 'state'],
    registers: [registry],
  });
  const fillDeclined = declinedMetric(registry, options);
  constant.buildInfo.set({ version: options.version, node: process.version }, 1);
  for (const [pool, { capacity, workers }] of options.limits) {
    constant.capacity.set({ pool }, capacity);
    constant.workers.set({ pool }, workers);
  }

  return () => {
    // A pool that is not configured any more is gone with the last that waited for it.
    for (const gauge of [depth, oldest, unwritten, inFlight]) gauge.reset();
    for (const [pool, counts] of options.outboxes()) {
      depth.set({ pool }, counts.waiting);
      inFlight.set({ pool }, counts.inFlight);
      unwritten.set({ pool }, counts.unwritten);
      const ageMs = counts.oldestAcceptedAtMs === undefined ? 0 : options.nowMs() - counts.oldestAcceptedAtMs;
      oldest.set({ pool }, Math.max(0, ageMs) / 1000);
    }
    deadLetters.set(options.deadLetters());
    writable.set(options.isWritable() ? 1 : 0);
    fillDeclined();
    notifications.reset();
    for (const [backend, entry] of options.ledger.entries()) {
      for (const state of ledgerStates) notifications.inc({ backend, state }, entry[state]);
    }
  };
}

function declinedMetric(registry: Registry, { declined }: StateOptions): () => void {
  const counter = new Counter({
    name: 'event_pusher_declined_total',
    help: 'Events that a backend did not want.',
    labelNames: ['backend'],
    registers: [registry],
  });
  return () => {
    counter.reset();
    for (const [backend, events] of declined()) counter.inc({ backend }, events);
  };
}
