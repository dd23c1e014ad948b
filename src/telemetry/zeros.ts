import { outcomes } from '../core/delivery.ts';
import { directions } from '../core/event.ts';
import { callbackNames, discardReasons, disconnectReasons, faultPlaces } from '../core/observation.ts';
import type { ObservedMetrics } from './observed-metrics.ts';

/** What the configuration says of the labels that there will be. */
export interface KnownLabels {
  /** Beside `other` the only values of the label `host`: else anybody could make label values. */
  readonly trustedDomains: readonly string[];
  readonly taps: readonly string[];
  /** The tag of each outgoing pool, or `tag@host` for a host's own. */
  readonly pools: readonly string[];
  readonly backends: readonly string[];
}

/** Starts every series that can be known at 0, so that `rate()` sees the first increment of each. */
export function startAtZero({ counters, responseTime }: ObservedMetrics, known: KnownLabels): void {
  for (const host of [...known.trustedDomains, 'other']) {
    counters.sent.inc({ host }, 0);
    counters.failed.inc({ host }, 0);
    responseTime.zero({ host });
  }
  for (const pool of known.pools) {
    for (const outcome of outcomes) counters.attempts.inc({ pool, outcome }, 0);
  }
  for (const backend of known.backends) {
    for (const callback of callbackNames) counters.callbackErrors.inc({ backend, callback }, 0);
  }
  for (const tap of [...known.taps, 'none']) counters.stanzas.inc({ tap }, 0);
  for (const dir of directions) counters.events.inc({ dir }, 0);
  for (const reason of discardReasons) counters.discarded.inc({ reason }, 0);
  for (const reason of disconnectReasons) counters.disconnects.inc({ reason }, 0);
  for (const where of faultPlaces) counters.internalErrors.inc({ where }, 0);
}
