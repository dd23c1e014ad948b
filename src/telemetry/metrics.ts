import Counter from 'prom-client/lib/counter.js';
import Gauge from 'prom-client/lib/gauge.js';
import Histogram from 'prom-client/lib/histogram.js';
import Registry from 'prom-client/lib/registry.js';
import { type Observe, type Readers, readersByKind } from '../core/observation.ts';
import {
  type EventMetric,
  type Known,
  type LabelValues,
  type Metric,
  metricTable,
  type State,
  type StateMetric,
} from './metric-table.ts';

export interface Metrics {
  readonly observe: Observe;
  /** From now on scrapes show this state; until then they show that there is nothing yet. */
  show(state: () => State): void;
  /** The scrape text (Prometheus exposition format). */
  scrape(): Promise<string>;
  readonly contentType: string;
}

/** Milliseconds for which writing a scrape may hold the main thread; with many series it takes several turns. */
const LONGEST_TURN_MS = 5;

const NOTHING_YET: State = {
  nowMs: 0,
  outboxes: [],
  ledger: [],
  declined: [],
  isWritable: false,
  deadLetters: 0,
};

/** Turns observations and the state of the parts into Prometheus metrics. */
export function createMetrics(known: Known): Metrics {
  const registry = new Registry();
  const collectors = Object.entries(metricTable).map(([name, metric]) =>
    collectorOf(name, metric, { registry, known }),
  );
  const observers = new Map<string, Observe[]>();
  for (const { observes } of collectors) {
    for (const [kind, observe] of observes) observers.set(kind, [...(observers.get(kind) ?? []), observe]);
  }
  let stateNow = (): State => NOTHING_YET;
  let processMetrics: Promise<void> | undefined;
  return {
    observe: (observation) => {
      const all = observers.get(observation.kind);
      if (all === undefined) return;
      // Some come for every stanza: an iterator would cost as much as counting.
      for (let index = 0; index < all.length; index += 1) all[index]?.(observation);
    },
    show: (state) => {
      stateNow = state;
    },
    contentType: registry.contentType,
    scrape: oneAtATime(async () => {
      await (processMetrics ??= addProcessMetrics(registry));
      // In one synchronous step, and no other scrape changes it until it is written: a scrape shows one moment.
      const state = stateNow();
      for (const { fill } of collectors) fill(state);
      return written(registry);
    }),
  };
}

/** A metric of the table at work. */
interface Collector {
  /** What moves it, by the kind of observation. */
  readonly observes: readonly (readonly [kind: string, observe: Observe])[];
  /** Shows the state, if it is that which the metric shows. */
  fill(state: State): void;
}

interface CollectorOptions {
  readonly registry: Registry;
  readonly known: Known;
}

function collectorOf(name: string, metric: Metric, options: CollectorOptions): Collector {
  return 'of' in metric ? stateCollector(name, metric, options) : eventCollector(name, metric, options);
}

function stateCollector(name: string, metric: StateMetric, { registry, known }: CollectorOptions): Collector {
  const { help, labels } = metric;
  const options = { name, help, labelNames: Object.keys(labels), registers: [registry] };
  const shown = metric.type === 'counter' ? new Counter(options) : new Gauge(options);
  const series = knownSeries(labels, known);
  return {
    observes: [],
    fill: (state) => {
      // A pool that is no longer configured is gone with the last notification that waited for it.
      shown.reset();
      for (const each of series) shown.inc(each, 0);
      for (const [each, value] of metric.of(state, known)) shown.inc(each, value);
    },
  };
}

function eventCollector(name: string, metric: EventMetric, { registry, known }: CollectorOptions): Collector {
  const { help, labels } = metric;
  const options = { name, help, labelNames: Object.keys(labels), registers: [registry] };
  const series = knownSeries(labels, known);
  const shown = shownLabels(labels, known);
  const observed = <Own>(on: Readers<Own>, move: (own: Own) => void): Collector => ({
    observes: readersByKind(on).map(([kind, read]) => [kind, (observation) => move(read(observation))]),
    fill: () => undefined,
  });
  switch (metric.type) {
    case 'counter': {
      const counter = new Counter(options);
      const counts = new Counts(series);
      const count = (own: LabelValues): void => counts.add(shown(own));
      return { ...observed(metric.on, count), fill: () => counts.writeTo(counter) };
    }
    case 'gauge': {
      const gauge = new Gauge(options);
      return observed(metric.on, (value) => gauge.set(value));
    }
    case 'histogram': {
      const histogram = new Histogram({ ...options, buckets: [...metric.buckets] });
      for (const each of series) histogram.zero(each);
      return observed(metric.on, (own) => histogram.observe(shown(own.labels), own.value));
    }
  }
}

/** Counts by labels. The library's counter makes and checks a text of all labels each time, for every stanza twice. */
class Counts {
  readonly #series = new Map<string, { readonly labels: LabelValues; count: number }>();

  constructor(known: readonly LabelValues[]) {
    for (const labels of known) this.#seriesOf(labels);
  }

  add(labels: LabelValues): void {
    this.#seriesOf(labels).count += 1;
  }

  writeTo(counter: Counter): void {
    counter.reset();
    for (const { labels, count } of this.#series.values()) counter.inc(labels, count);
  }

  #seriesOf(labels: LabelValues) {
    let key = '';
    for (const name in labels) key += `${labels[name]}\n`;
    let series = this.#series.get(key);
    if (series === undefined) {
      series = { labels, count: 0 };
      this.#series.set(key, series);
    }
    return series;
  }
}

/** Every combination of the labels' known values. */
function knownSeries(labels: Metric['labels'], known: Known): LabelValues[] {
  let series: LabelValues[] = [{}];
  for (const [name, label] of Object.entries(labels)) {
    const values = label.values(known);
    series = series.flatMap((each) => values.map((value) => ({ ...each, [name]: value })));
  }
  return series;
}

/** Replaces the unknown values of labels that have a rest. */
function shownLabels(labels: Metric['labels'], known: Known): (own: LabelValues) => LabelValues {
  const limited = Object.entries(labels).flatMap(([name, { values, rest }]) =>
    rest === undefined ? [] : [{ name, rest, all: new Set(values(known)) }],
  );
  if (limited.length === 0) return (own) => own;
  return (own) => {
    const shown = { ...own };
    for (const { name, rest, all } of limited) if (!all.has(shown[name] ?? '')) shown[name] = rest;
    return shown;
  };
}

/** The metrics `process_…` and `nodejs_…`: only at the first scrape, because they take time to load. */
async function addProcessMetrics(registry: Registry): Promise<void> {
  const { default: collectDefaultMetrics } = await import('prom-client/lib/defaultMetrics.js');
  collectDefaultMetrics({ register: registry });
  // These are gauges that are named like counters, to which Prometheus' linter objects.
  for (const what of ['handles', 'requests', 'resources']) {
    registry.removeSingleMetric(`nodejs_active_${what}_total`);
  }
}

/** What `registry.metrics()` returns, made in turns of the event loop. */
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

/** Runs `work` once at a time: all calls during a run share the next run, which begins after them. */
export function oneAtATime<Result>(work: () => Promise<Result>): () => Promise<Result> {
  let last: Promise<unknown> = Promise.resolve();
  let next: Promise<Result> | undefined;
  return () => {
    if (next === undefined) {
      next = last.then(() => {
        next = undefined;
        return work();
      });
      last = next.catch(() => undefined);
    }
    return next;
  };
}
