import Registry from 'prom-client/lib/registry.js';
import type { Notification } from '../core/delivery.ts';
import { type Observe, type Readers, readWith } from '../core/observation.ts';
import { oneAtATime } from './one-at-a-time.ts';
import { type ObservedMetrics, observedMetrics } from './observed-metrics.ts';
import { type StateOptions, stateMetrics } from './state-metrics.ts';
import { type KnownLabels, startAtZero } from './zeros.ts';

export type MetricsOptions = StateOptions & KnownLabels;

export interface Metrics {
  readonly observe: Observe;
  /** The scrape text (Prometheus exposition format). */
  scrape(): Promise<string>;
  readonly contentType: string;
}

/** Turns observations and the outboxes' state into Prometheus metrics. */
export function createMetrics(options: MetricsOptions): Metrics {
  const registry = new Registry();
  const observed = observedMetrics(registry);
  startAtZero(observed, options);
  const readers = metricReaders(observed, options.trustedDomains);
  const fillStateMetrics = stateMetrics(registry, options);
  let processMetrics: Promise<void> | undefined;
  return {
    observe: (observation) => readWith(readers, observation),
    contentType: registry.contentType,
    scrape: oneAtATime(async () => {
      await (processMetrics ??= addProcessMetrics(registry));
      // All at once, and nobody else does so before this is written: a scrape shows the ledger and the outboxes of one moment.
      fillStateMetrics();
      return written(registry);
    }),
  };
}

/** Those of the process (`process_…`, `nodejs_…`); only when somebody looks, because they take time to load. */
async function addProcessMetrics(registry: Registry): Promise<void> {
  const { default: collectDefaultMetrics } = await import('prom-client/lib/defaultMetrics.js');
  collectDefaultMetrics({ register: registry });
  // Gauges that are named like counters: Prometheus' own linter objects.
  for (const what of ['handles', 'requests', 'resources']) {
    registry.removeSingleMetric(`nodejs_active_${what}_total`);
  }
}

/** So long may writing hold up what else the process does, in milliseconds; with many series all of it takes longer. */
const LONGEST_TURN_MS = 5;

/** What `registry.metrics()` gives, with turns for others between the metrics. */
async function written(registry: Registry): Promise<string> {
  const texts: string[] = [];
  let turnFromMs = performance.now();
  for (const { name } of registry.getMetricsAsArray()) {
    texts.push(await registry.getSingleMetricAsString(name));
    if (performance.now() - turnFromMs < LONGEST_TURN_MS) continue;
    await new Promise(setImmediate);
    turnFromMs = performance.now();
  }
  return `${texts.join('\n\n')}\n`;
}

function metricReaders(metrics: ObservedMetrics, trustedDomains: readonly string[]): Readers<void> {
  const { counters, connected, responseTime } = metrics;
  const hosts = new Set(trustedDomains);
  const hostLabel = ({ host }: Notification): { host: string } => ({
    host: hosts.has(host) ? host : 'other',
  });
  return {
    'stanza-received': ({ tap }) => counters.stanzas.inc({ tap }),
    'event-made': ({ dir }) => counters.events.inc({ dir }),
    'stanza-discarded': ({ reason }) => counters.discarded.inc({ reason }),
    'jid-preparation-failed': () => counters.jidFailures.inc(),
    'callback-failed': ({ backend, callback }) => counters.callbackErrors.inc({ backend, callback }),
    'attempt-made': ({ notification, attempt }) =>
      counters.attempts.inc({ pool: notification.pool, outcome: attempt.outcome }),
    'notification-delivered': ({ notification, attempt }) => {
      counters.sent.inc(hostLabel(notification));
      responseTime.observe(hostLabel(notification), attempt.durationSeconds);
    },
    'notification-dead': ({ notification }) => counters.failed.inc(hostLabel(notification)),
    'component-online': () => connected.set(1),
    'component-offline': ({ code }) => {
      connected.set(0);
      counters.disconnects.inc({ reason: code });
    },
    'second-component': () => counters.secondComponentPings.inc(),
    'ledger-mismatched': () => counters.ledgerMismatches.inc(),
    'internal-error': ({ where }) => counters.internalErrors.inc({ where }),
  };
}
