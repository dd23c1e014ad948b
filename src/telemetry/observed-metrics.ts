import Counter from 'prom-client/lib/counter.js';
import Gauge from 'prom-client/lib/gauge.js';
import Histogram from 'prom-client/lib/histogram.js';
import type Registry from 'prom-client/lib/registry.js';

/** Receivers on the same machine answer within milliseconds, slow ones up to the time limit. */
const RESPONSE_TIME_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export type ObservedMetrics = ReturnType<typeof observedMetrics>;

/** The metrics that move with observations; names and labels are a promise to dashboards and alerts. */
export function observedMetrics(registry: Registry) {
  const registers = [registry];
  return {
    counters: { ...stanzaCounters(registry), ...notificationCounters(registry) },
    connected: new Gauge({
      name: 'event_pusher_component_connected',
      help: '1 while the component is authenticated by the XMPP server, else 0.',
      registers,
    }),
    responseTime: new Histogram({
      name: 'mod_http_notifications_response_time_seconds',
      help: 'Seconds from the beginning of a request to its 2xx response, by the host of the sender.',
      labelNames: ['host'],
      buckets: RESPONSE_TIME_BUCKETS,
      registers,
    }),
  };
}

function counterMaker(registry: Registry) {
  return <Label extends string>(name: string, help: string, ...labelNames: Label[]) =>
    new Counter({ name, help, labelNames, registers: [registry] });
}

function stanzaCounters(registry: Registry) {
  const counter = counterMaker(registry);
  return {
    disconnects: counter(
      'event_pusher_component_disconnects_total',
      'Connections to the XMPP server that ended, and tries that failed.',
      'reason',
    ),
    secondComponentPings: counter(
      'event_pusher_second_component_pings_total',
      'Liveness pings from our own domain that are not ours.',
    ),
    stanzas: counter('event_pusher_stanzas_total', 'Stanzas received, by the tap that took them.', 'tap'),
    events: counter(
      'event_pusher_events_total',
      'Stanzas that became events: in, a local user sent them; out, they are delivered to a local user.',
      'dir',
    ),
    discarded: counter('event_pusher_discarded_total', 'Stanzas that became no event, by why.', 'reason'),
    jidFailures: counter(
      'event_pusher_jid_preparation_failures_total',
      'Parts of JIDs that stringprep refused and that were taken as they came.',
    ),
  };
}

function notificationCounters(registry: Registry) {
  const counter = counterMaker(registry);
  return {
    sent: counter(
      'mod_http_notifications_sent_total',
      'Notifications delivered (2xx), by the host of the sender.',
      'host',
    ),
    failed: counter(
      'mod_http_notifications_failed_total',
      'Notifications that failed for good (dead letters), by the host of the sender.',
      'host',
    ),
    attempts: counter(
      'event_pusher_attempts_total',
      'Attempts (POSTs), by pool and how they ended: an HTTP status class or why there was none.',
      'pool',
      'outcome',
    ),
    callbackErrors: counter(
      'event_pusher_callback_errors_total',
      'Callbacks that threw, rejected, hung or gave what cannot be sent.',
      'backend',
      'callback',
    ),
    ledgerMismatches: counter(
      'event_pusher_ledger_mismatches_total',
      'Backends whose ledger on disk was off at the start.',
    ),
    internalErrors: counter(
      'event_pusher_internal_errors_total',
      'Faults of the sidecar, or of a callback module after it had answered.',
      'where',
    ),
  };
}
