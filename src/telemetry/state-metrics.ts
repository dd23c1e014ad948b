import { Counter, Gauge, type Registry } from 'prom-client';
import type { Ledger, LedgerState } from '../core/ledger.ts';
import type { OutboxCounts } from '../core/outbox.ts';

/** Where the state is that scrapes show. */
export interface StateOptions {
  readonly version: string;
  readonly ledger: Ledger;
  /** Each outgoing pool's label and what its outbox holds now. */
  readonly outboxes: () => Iterable<readonly [pool: string, counts: OutboxCounts]>;
  /** For each backend, how many events it did not want. */
  readonly declined: () => Iterable<readonly [backend: string, events: number]>;
  readonly isWritable: () => boolean;
  readonly nowMs: () => number;
}

const ledgerStates: readonly LedgerState[] = ['accepted', 'delivered', 'dead', 'dropped'];

/**
 * The metrics that show a state; the returned function reads it, all in one synchronous step, so that the ledger's
 * equation holds in every scrape.
 */
export function stateMetrics(registry: Registry, options: StateOptions): () => void {
  const gauge = <Label extends string>(name: string, help: string, ...labelNames: Label[]) =>
    new Gauge({ name, help, labelNames, registers: [registry] });
  const depth = gauge('event_pusher_outbox_depth', 'Notifications waiting.', 'pool');
  const oldest = gauge(
    'event_pusher_outbox_oldest_age_seconds',
    'Age of the oldest notification that is not settled; 0 if there is none.',
    'pool',
  );
  const inFlight = gauge('event_pusher_in_flight', 'Notifications being sent.', 'pool');
  const writable = gauge('event_pusher_outbox_writable', '1 while the outbox takes notifications.');
  const notifications = new Counter({
    name: 'event_pusher_notifications_total',
    help: 'What became of notifications: accepted = delivered + dead + dropped + depth + in flight.',
    labelNames: ['backend', 'state'],
    registers: [registry],
  });
  const fillDeclined = declinedMetric(registry, options);
  const buildInfo = gauge('event_pusher_build_info', 'Always 1.', 'version', 'node');
  buildInfo.set({ version: options.version, node: process.version }, 1);

  return () => {
    for (const [pool, counts] of options.outboxes()) {
      depth.set({ pool }, counts.waiting);
      inFlight.set({ pool }, counts.inFlight);
      const ageMs = counts.oldestAcceptedAtMs === undefined ? 0 : options.nowMs() - counts.oldestAcceptedAtMs;
      oldest.set({ pool }, Math.max(0, ageMs) / 1000);
    }
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
