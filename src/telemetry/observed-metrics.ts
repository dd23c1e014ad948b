import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** Receivers on the same machine answer within milliseconds, slow ones up to the time limit. */
const RESPONSE_TIME_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export type ObservedMetrics = ReturnType<typeof observedMetrics>;

/** The metrics that move with observations; names and labels are PRODUCT section 6. */
export function observedMetrics(registry: Registry) {
  const registers = [registry];
  return {
    counters: countersOf(registry),
    connected: new Gauge({
      name: 'event_pusher_component_connected',
      help: '1 while the component is authenticated.',
      registers,
    }),
    responseTime: new Histogram({
      name: 'mod_http_notifications_response_time_seconds',
      help: 'Time of successful requests.',
      labelNames: ['host'],
      buckets: RESPONSE_TIME_BUCKETS,
      registers,
    }),
  };
}

function countersOf(registry: Registry) {
  const counter = <Label extends string>(name: string, help: string, ...labelNames: Label[]) =>
    new Counter({ name, help, labelNames, registers: [registry] });
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
    sent: counter('mod_http_notifications_sent_total', 'Notifications delivered (2xx).', 'host'),
    failed: counter('mod_http_notifications_failed_total', 'Notifications that failed for good.', 'host'),
    attempts: counter('event_pusher_attempts_total', 'POSTs by how they ended.', 'pool', 'outcome'),
    stanzas: counter('event_pusher_stanzas_total', 'Stanzas received, by the tap that took them.', 'tap'),
    events: counter('event_pusher_events_total', 'Stanzas that became events.', 'dir'),
    discarded: counter('event_pusher_discarded_total', 'Stanzas that became no event.', 'reason'),
    callbackErrors: counter(
      'event_pusher_callback_errors_total',
      'Callbacks that threw, rejected, hung or gave what cannot be sent.',
      'backend',
      'callback',
    ),
    jidFailures: counter(
      'event_pusher_jid_preparation_failures_total',
      'Parts of JIDs that stringprep refused and that were taken as they came.',
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
