import Counter from 'prom-client/lib/counter.js';
import Gauge from 'prom-client/lib/gauge.js';
import Histogram from 'prom-client/lib/histogram.js';
import Registry from 'prom-client/lib/registry.js';
import { type Observation, type Observe, readWith } from '../core/observation.ts';
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
  for (const { kinds, observe } of collectors) {
    for (const kind of kinds) observers.set(kind, [...(observers.get(kind) ?? []), observe]);
  }
  let stateNow = (): State => NOTHING_YET;
  let processMetrics: Promise<void> | undefined;
  return {
    observe: (observation) => {
      for (const observe of observers.get(observation.kind) ?? []) observe(observation);
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
  /** The kinds of observations that move it. */
  readonly kinds: readonly string[];
  observe(observation: Observation): void;
  /** Shows the state, if it is that which the metric shows. */
  fill(state: State): void;
}

interface Surroundings {
  readonly registry: Registry;
  readonly known: Known;
}

function collectorOf(name: string, metric: Metric, surroundings: Surroundings): Collector {
  return 'of' in metric
    ? stateCollector(name, metric, surroundings)
    : eventCollector(name, metric, surroundings);
}

function stateCollector(name: string, metric: StateMetric, { registry, known }: Surroundings): Collector {
  const { help, labels } = metric;
  const options = { name, help, labelNames: Object.keys(labels), registers: [registry] };
  const shown = metric.type === 'counter' ? new Counter(options) : new Gauge(options);
  const series = knownSeries(labels, known);
  return {
    kinds: [],
    observe: () => undefined,
    fill: (state) => {
      // A pool that is no longer configured is gone with the last notification that waited for it.
      shown.reset();
      for (const each of series) shown.inc(each, 0);
      for (const [each, value] of metric.of(state, known)) shown.inc(each, value);
    },
  };
}

function eventCollector(name: string, metric: EventMetric, { registry, known }: Surroundings): Collector {
  const { help, labels } = metric;
  const options = { name, help, labelNames: Object.keys(labels), registers: [registry] };
  const series = knownSeries(labels, known);
  const shown = shownLabels(labels, known);
  const observed = (observe: Observe): Collector => ({
    kinds: Object.keys(metric.on),
    observe,
    fill: () => undefined,
  });
  switch (metric.type) {
    case 'counter': {
      const counter = new Counter(options);
      for (const each of series) counter.inc(each, 0);
      return observed((observation) => {
        const own = readWith(metric.on, observation);
        if (own !== undefined) counter.inc(shown(own));
      });
    }
    case 'gauge': {
      const gauge = new Gauge(options);
      return observed((observation) => gauge.set(readWith(metric.on, observation) ?? 0));
    }
    case 'histogram': {
      const histogram = new Histogram({ ...options, buckets: [...metric.buckets] });
      for (const each of series) histogram.zero(each);
      return observed((observation) => {
        const own = readWith(metric.on, observation);
        if (own !== undefined) histogram.observe(shown(own.labels), own.value);
      });
    }
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
