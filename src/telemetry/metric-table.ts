import { outcomes } from '../core/delivery.ts';
import { discardReasons } from '../core/discard-reasons.ts';
import { disconnectReasons } from '../core/disconnect-reasons.ts';
import { directions } from '../core/event.ts';
import { type LedgerEntry, ledgerStates } from '../core/ledger.ts';
import { callbackNames } from '../core/callback-names.ts';
import { faultPlaces, type Readers } from '../core/observation.ts';
import type { OutboxCounts } from '../core/outbox.ts';

/** What is known before the sidecar runs: values of labels, and constants. */
export interface Known {
  readonly version: string;
  /** Node's. */
  readonly node: string;
  readonly trustedDomains: readonly string[];
  readonly taps: readonly string[];
  /** Limits of each outgoing pool, by its tag, or `tag@host` for a host's own. */
  readonly pools: ReadonlyMap<string, PoolLimits>;
  readonly backends: readonly string[];
}

export interface PoolLimits {
  /** Most notifications that may wait. */
  readonly capacity: number;
  /** Most notifications that are sent at a time. */
  readonly workers: number;
}

/** The state of the parts at one moment, so that the ledger balances in every scrape. */
export interface State {
  readonly nowMs: number;
  /** What waits and is in flight for each outgoing pool, and for each pool that is no longer configured. */
  readonly outboxes: readonly (readonly [pool: string, counts: OutboxCounts])[];
  readonly ledger: readonly (readonly [backend: string, entry: Readonly<LedgerEntry>])[];
  /** How many events each backend did not want. */
  readonly declined: readonly (readonly [backend: string, events: number])[];
  readonly isWritable: boolean;
  readonly deadLetters: number;
}

/** A label of a metric. */
export interface Label {
  /** The values that are known at startup: their series begin with 0, so that `rate()` sees the first increment. */
  values(known: Known): readonly string[];
  /** Is shown for every other value; without it, other values are shown as they are. */
  readonly rest?: string;
}

export type LabelValues = Readonly<Record<string, string>>;
type Samples = Iterable<readonly [labels: LabelValues, value: number]>;

interface Described {
  readonly help: string;
  readonly labels: Readonly<Record<string, Label>>;
}

/** A metric that observations of some kinds move. */
export type EventMetric = Described &
  (
    | { readonly type: 'counter'; readonly on: Readers<LabelValues> }
    | { readonly type: 'gauge'; readonly on: Readers<number> }
    | {
        readonly type: 'histogram';
        /** Upper bounds. */
        readonly buckets: readonly number[];
        readonly on: Readers<{ readonly labels: LabelValues; readonly value: number }>;
      }
  );

/** A metric that shows the state at the moment of a scrape. */
export interface StateMetric extends Described {
  readonly type: 'counter' | 'gauge';
  readonly of: (state: State, known: Known) => Samples;
}

export type Metric = EventMetric | StateMetric;

const host: Label = { values: ({ trustedDomains }) => [...trustedDomains, 'other'], rest: 'other' };
const pool: Label = { values: ({ pools }) => [...pools.keys()] };
const backend: Label = { values: ({ backends }) => backends };
const anyOf = (values: readonly string[]): Label => ({ values: () => values });

/** Receivers on the same machine respond within milliseconds, slow ones up to the time limit. */
const RESPONSE_TIME_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** All metrics. Dashboards and alerts rely on names, types and labels. */
export const metricTable: Readonly<Record<string, Metric>> = {
  event_pusher_component_disconnects_total: {
    type: 'counter',
    help: 'Connections to the XMPP server that ended, and attempts to connect that failed.',
    labels: { reason: anyOf(disconnectReasons) },
    on: { 'component-offline': ({ code }) => ({ reason: code }) },
  },
  event_pusher_second_component_pings_total: {
    type: 'counter',
    help: 'Liveness pings from our own domain that this sidecar did not send.',
    labels: {},
    on: { 'second-component': () => ({}) },
  },
  event_pusher_stanzas_total: {
    type: 'counter',
    help: 'Stanzas received, by the tap that took them.',
    labels: { tap: { values: ({ taps }) => [...taps, 'none'] } },
    on: { 'stanza-received': ({ tap }) => ({ tap }) },
  },
  event_pusher_events_total: {
    type: 'counter',
    help: 'Stanzas that became events: in, a local user sent them; out, they are delivered to a local user.',
    labels: { dir: anyOf(directions) },
    on: { 'event-made': ({ dir }) => ({ dir }) },
  },
  event_pusher_discarded_total: {
    type: 'counter',
    help: 'Stanzas that became no event, by reason.',
    labels: { reason: anyOf(discardReasons) },
    on: { 'stanza-discarded': ({ reason }) => ({ reason }) },
  },
  event_pusher_jid_preparation_failures_total: {
    type: 'counter',
    help: 'Parts of JIDs that stringprep refused, so that they were taken as they came.',
    labels: {},
    on: { 'jid-preparation-failed': () => ({}) },
  },
  mod_http_notifications_sent_total: {
    type: 'counter',
    help: 'Notifications delivered (2xx), by the host of the sender.',
    labels: { host },
    on: { 'notification-delivered': ({ notification }) => ({ host: notification.host }) },
  },
  mod_http_notifications_failed_total: {
    type: 'counter',
    help: 'Notifications that failed and will not be retried (dead letters), by the host of the sender.',
    labels: { host },
    on: { 'notification-dead': ({ notification }) => ({ host: notification.host }) },
  },
  event_pusher_attempts_total: {
    type: 'counter',
    help: 'Attempts (POSTs), by pool and outcome: the class of the HTTP status, or why there was none.',
    labels: { pool, outcome: anyOf(outcomes) },
    on: {
      'attempt-made': ({ request, attempt }) => ({
        pool: request.pool,
        outcome: attempt.outcome,
      }),
    },
  },
  event_pusher_callback_errors_total: {
    type: 'counter',
    help: 'Callbacks that threw, rejected, hung, or returned what cannot be sent.',
    labels: { backend, callback: anyOf(callbackNames) },
    on: { 'callback-failed': (o) => ({ backend: o.backend, callback: o.callback }) },
  },
  event_pusher_ledger_mismatches_total: {
    type: 'counter',
    help: 'Backends whose ledger on disk did not balance at startup.',
    labels: {},
    on: { 'ledger-mismatched': () => ({}) },
  },
  event_pusher_internal_errors_total: {
    type: 'counter',
    help: 'Bugs of the sidecar, or of a callback module after it had settled.',
    labels: { where: anyOf(faultPlaces) },
    on: { 'internal-error': ({ where }) => ({ where }) },
  },
  event_pusher_component_connected: {
    type: 'gauge',
    help: '1 while the component is authenticated by the XMPP server, else 0.',
    labels: {},
    on: { 'component-online': () => 1, 'component-offline': () => 0 },
  },
  mod_http_notifications_response_time_seconds: {
    type: 'histogram',
    help: 'Seconds from the beginning of a request to its 2xx response, by the host of the sender.',
    labels: { host },
    buckets: RESPONSE_TIME_BUCKETS,
    on: {
      'notification-delivered': ({ notification, attempt }) => ({
        labels: { host: notification.host },
        value: attempt.durationSeconds,
      }),
    },
  },
  event_pusher_outbox_depth: {
    type: 'gauge',
    help: 'Notifications waiting.',
    labels: { pool },
    of: ({ outboxes }) => perPool(outboxes, ({ waiting }) => waiting),
  },
  event_pusher_outbox_oldest_age_seconds: {
    type: 'gauge',
    help: 'Age of the oldest notification that is not settled, or not written yet; 0 if there is none.',
    labels: { pool },
    of: ({ outboxes, nowMs }) =>
      perPool(
        outboxes,
        ({ oldestAcceptedAtMs }) => Math.max(0, nowMs - (oldestAcceptedAtMs ?? nowMs)) / 1000,
      ),
  },
  event_pusher_outbox_unwritten: {
    type: 'gauge',
    help: 'Notifications handed to the store and not written yet: they are not accepted.',
    labels: { pool },
    of: ({ outboxes }) => perPool(outboxes, ({ unwritten }) => unwritten),
  },
  event_pusher_in_flight: {
    type: 'gauge',
    help: 'Notifications being sent.',
    labels: { pool },
    of: ({ outboxes }) => perPool(outboxes, ({ inFlight }) => inFlight),
  },
  event_pusher_outbox_capacity: {
    type: 'gauge',
    help: 'Most notifications that may wait.',
    labels: { pool },
    of: (_, { pools }) => perPool(pools, ({ capacity }) => capacity),
  },
  event_pusher_pool_workers: {
    type: 'gauge',
    help: 'Most notifications that are sent at a time.',
    labels: { pool },
    of: (_, { pools }) => perPool(pools, ({ workers }) => workers),
  },
  event_pusher_outbox_writable: {
    type: 'gauge',
    help: '1 while the outbox takes notifications, else 0.',
    labels: {},
    of: ({ isWritable }) => [[{}, isWritable ? 1 : 0]],
  },
  event_pusher_dead_letters: {
    type: 'gauge',
    help: 'Dead letters kept now.',
    labels: {},
    of: ({ deadLetters }) => [[{}, deadLetters]],
  },
  event_pusher_build_info: {
    type: 'gauge',
    help: 'Always 1.',
    labels: { version: { values: ({ version }) => [version] }, node: { values: ({ node }) => [node] } },
    of: (_, { version, node }) => [[{ version, node }, 1]],
  },
  event_pusher_notifications_total: {
    type: 'counter',
    help: 'What became of notifications: accepted = delivered + dead + dropped + depth + in flight.',
    labels: { backend, state: anyOf(ledgerStates) },
    of: ({ ledger }) =>
      ledger.flatMap(([name, entry]) =>
        ledgerStates.map((state) => [{ backend: name, state }, entry[state]] as const),
      ),
  },
  event_pusher_declined_total: {
    type: 'counter',
    help: 'Events that a backend did not want.',
    labels: { backend },
    of: ({ declined }) => declined.map(([name, events]) => [{ backend: name }, events]),
  },
};

function* perPool<Counts>(
  pools: Iterable<readonly [pool: string, counts: Counts]>,
  valueOf: (counts: Counts) => number,
): Samples {
  for (const [name, counts] of pools) yield [{ pool: name }, valueOf(counts)];
}
