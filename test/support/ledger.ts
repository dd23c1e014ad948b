import { expect } from 'vitest';
import type { Ledger } from '../../src/core/ledger.ts';
import type { OutboxCounts } from '../../src/core/outbox.ts';

/** A scraped value: its labels by name, '' if it has none. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Scraped samples by metric name (Prometheus text format; what is said about buckets stays under `…_bucket`). */
export type Samples = ReadonlyMap<string, readonly Sample[]>;

/** Reads the Prometheus text format as far as our metrics use it. */
export function parseMetrics(text: string): Samples {
  const samples = new Map<string, Sample[]>();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const [, name, labels = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/s.exec(line) ?? [];
    if (name === undefined) throw new Error(`not a line of the Prometheus text format: ${line}`);
    const ofName = samples.get(name) ?? [];
    ofName.push({ labels: parseLabels(labels), value: Number(value) });
    samples.set(name, ofName);
  }
  return samples;
}

function parseLabels(text: string): Record<string, string> {
  return Object.fromEntries(
    [...text.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/gs)].map(([, name, value]) => [name, value]),
  );
}

/** The sum of a metric's samples that have at least these labels; 0 if there is none. */
export function sumOf(samples: Samples, name: string, labels: Record<string, string> = {}): number {
  return (samples.get(name) ?? [])
    .filter((sample) => Object.entries(labels).every(([key, value]) => sample.labels[key] === value))
    .reduce((sum, { value }) => sum + value, 0);
}

/** Asserts accepted = delivered + dead + dropped + depth + in flight in a scraped text. */
export function expectBalanced(metricsText: string): void {
  const samples = parseMetrics(metricsText);
  const state = (name: string): number => sumOf(samples, 'event_pusher_notifications_total', { state: name });
  expectEquation({
    accepted: state('accepted'),
    delivered: state('delivered'),
    dead: state('dead'),
    dropped: state('dropped'),
    depth: sumOf(samples, 'event_pusher_outbox_depth'),
    inFlight: sumOf(samples, 'event_pusher_in_flight'),
  });
}

/** The same equation of a ledger and the outboxes that count into it. */
export function expectLedgerBalanced(ledger: Ledger, ...outboxes: readonly OutboxCounts[]): void {
  const totals = { accepted: 0, delivered: 0, dead: 0, dropped: 0, depth: 0, inFlight: 0 };
  for (const entry of ledger.entries().values()) {
    totals.accepted += entry.accepted;
    totals.delivered += entry.delivered;
    totals.dead += entry.dead;
    totals.dropped += entry.dropped;
  }
  for (const { waiting, inFlight } of outboxes) {
    totals.depth += waiting;
    totals.inFlight += inFlight;
  }
  expectEquation(totals);
}

type Totals = Record<'accepted' | 'delivered' | 'dead' | 'dropped' | 'depth' | 'inFlight', number>;

function expectEquation(totals: Totals): void {
  const { accepted, delivered, dead, dropped, depth, inFlight } = totals;
  for (const [name, value] of Object.entries(totals)) expect(value, name).toBeGreaterThanOrEqual(0);
  expect(accepted, `the ledger is off: ${JSON.stringify(totals)}`).toBe(
    delivered + dead + dropped + depth + inFlight,
  );
}
