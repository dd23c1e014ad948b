import assert from 'node:assert';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Attempt, Outcome } from '../../src/core/delivery.ts';
import { notification as anyNotification } from '../support/notification.ts';
import { discardReasons } from '../../src/core/discard-reasons.ts';
import { disconnectReasons } from '../../src/core/disconnect-reasons.ts';
import { Ledger } from '../../src/core/ledger.ts';
import { faultPlaces, type Observation } from '../../src/core/observation.ts';
import type { OutboxCounts } from '../../src/core/outbox.ts';
import type { Outbox } from '../../src/core/outbox.ts';
import { memoryOutbox, outboxOptions } from '../support/outbox.ts';
import { dispatch } from '../../src/delivery/dispatcher.ts';
import { openPool } from '../../src/delivery/http/pool.ts';
import { systemClock } from '../../src/node/clock.ts';
import type { State } from '../../src/telemetry/metric-table.ts';
import { createMetrics, type Metrics } from '../../src/telemetry/metrics.ts';
import { serveTelemetry } from '../../src/telemetry/server.ts';
import { expectBalanced, parseMetrics, type Sample, type Samples, sumOf } from '../support/ledger.ts';
import { startReceiver } from '../support/receiver.ts';

/** Every metric, with its type and labels, which dashboards and alerts rely on. */
const contract: readonly (readonly [name: string, type: string, ...labels: string[]])[] = [
  ['mod_http_notifications_sent_total', 'counter', 'host'],
  ['mod_http_notifications_failed_total', 'counter', 'host'],
  ['mod_http_notifications_response_time_seconds', 'histogram', 'host'],
  ['event_pusher_attempts_total', 'counter', 'pool', 'outcome'],
  ['event_pusher_stanzas_total', 'counter', 'tap'],
  ['event_pusher_events_total', 'counter', 'dir'],
  ['event_pusher_discarded_total', 'counter', 'reason'],
  ['event_pusher_callback_errors_total', 'counter', 'backend', 'callback'],
  ['event_pusher_declined_total', 'counter', 'backend'],
  ['event_pusher_jid_preparation_failures_total', 'counter'],
  ['event_pusher_component_connected', 'gauge'],
  ['event_pusher_component_disconnects_total', 'counter', 'reason'],
  ['event_pusher_second_component_pings_total', 'counter'],
  ['event_pusher_outbox_depth', 'gauge', 'pool'],
  ['event_pusher_outbox_oldest_age_seconds', 'gauge', 'pool'],
  ['event_pusher_outbox_unwritten', 'gauge', 'pool'],
  ['event_pusher_in_flight', 'gauge', 'pool'],
  ['event_pusher_outbox_capacity', 'gauge', 'pool'],
  ['event_pusher_pool_workers', 'gauge', 'pool'],
  ['event_pusher_notifications_total', 'counter', 'backend', 'state'],
  ['event_pusher_build_info', 'gauge', 'version', 'node'],
  ['event_pusher_outbox_writable', 'gauge'],
  ['event_pusher_dead_letters', 'gauge'],
  ['event_pusher_ledger_mismatches_total', 'counter'],
  ['event_pusher_internal_errors_total', 'counter', 'where'],
];

const facts = { receiver: '127.0.0.1:80', number: 1, ageMs: 1 };
const notification = anyNotification({ id: 'id' });
const attempt: Attempt = { outcome: '2xx', status: 204, durationSeconds: 0.03 };

/** One of each that moves a metric. */
const everything: readonly Observation[] = [
  {
    kind: 'component-connecting',
    endpoint: 'xmpp://127.0.0.1:5347',
    domain: 'push.example.com',
    isRepeat: false,
  },
  { kind: 'component-online', domain: 'push.example.com', isRepeat: false },
  { kind: 'stanza-received', tap: 'forwarded' },
  { kind: 'event-made', dir: 'in' },
  { kind: 'stanza-discarded', reason: 'iq' },
  { kind: 'jid-preparation-failed' },
  { kind: 'callback-failed', backend: 'chats', callback: 'prepareBody', error: new Error() },
  { kind: 'attempt-made', request: notification, attempt },
  { kind: 'notification-delivered', notification, attempt },
  { kind: 'notification-retried', notification, attempt, facts, afterMs: 1, cause: 'back-off' },
  { kind: 'notification-dead', notification, reason: 'rejected', attempt },
  { kind: 'notification-dropped', notification, reason: 'full' },
  { kind: 'internal-error', where: 'router', error: new Error() },
];

interface BenchOptions {
  readonly trustedDomains?: readonly string[];
  readonly counts?: Record<string, OutboxCounts>;
  readonly nowMs?: () => number;
  /** Whether the parts are there whose state is shown; default true. */
  readonly isShown?: boolean;
}

function openMetrics({
  trustedDomains = ['example.com', 'example.org'],
  counts = {},
  nowMs = () => 0,
  isShown = true,
}: BenchOptions = {}): {
  metrics: Metrics;
  ledger: Ledger;
} {
  const ledger = new Ledger();
  const metrics = createMetrics({
    version: '1.2.3',
    node: process.version,
    trustedDomains,
    taps: ['forwarded', 'direct'],
    pools: new Map(
      ['http_pool', 'http_pool@example.com'].map((pool) => [pool, { capacity: 1000, workers: 10 }]),
    ),
    backends: ['chats', 'alerts'],
  });
  const state = (): State => ({
    nowMs: nowMs(),
    outboxes: Object.entries(counts),
    ledger: [...ledger.entries()],
    declined: [['chats', 3]],
    isWritable: true,
    deadLetters: 0,
  });
  if (isShown) metrics.show(state);
  return { metrics, ledger };
}

const scrape = async (metrics: Metrics): Promise<Samples> => parseMetrics(await metrics.scrape());
const labelsOf = (samples: readonly Sample[] = []): string[][] =>
  samples.map(({ labels }) => Object.keys(labels));

describe('the metrics', () => {
  it('are exactly those of the contract, with these types', async () => {
    const text = await openMetrics().metrics.scrape();
    const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => `${name} ${type}`);
    const ours = types.filter((each) => /^(mod_http|event_pusher)_/.test(each));
    expect(ours.toSorted()).toEqual(contract.map(([name, type]) => `${name} ${type}`).toSorted());
    for (const [name] of contract) expect(text).toMatch(new RegExp(`^# HELP ${name} .+\\.$`, 'm'));
    expect(types.filter((each) => !/^(mod_http|event_pusher|process|nodejs)_/.test(each))).toEqual([]);
  });

  it('have exactly the labels of the contract', async () => {
    const pool = { waiting: 1, inFlight: 1, unwritten: 0, oldestAcceptedAtMs: 0 };
    const { metrics, ledger } = openMetrics({ counts: { http_pool: pool } });
    for (const observation of everything) metrics.observe(observation);
    ledger.count('chats', 'accepted');
    const samples = await scrape(metrics);
    for (const [name, type, ...labels] of contract) {
      const found = samples.get(type === 'histogram' ? `${name}_count` : name);
      expect(found, name).toBeDefined();
      for (const own of labelsOf(found)) expect(own.toSorted(), name).toEqual(labels.toSorted());
    }
    const buckets = labelsOf(samples.get('mod_http_notifications_response_time_seconds_bucket'));
    expect(buckets.map((labels) => labels.toSorted())).toEqual(buckets.map(() => ['host', 'le']));
  });

  it('show how many events a backend did not want, the same at each scrape', async () => {
    const { metrics } = openMetrics();
    for (const _look of ['first', 'second']) {
      expect(sumOf(await scrape(metrics), 'event_pusher_declined_total', { backend: 'chats' })).toBe(3);
    }
  });

  it('count each observation once, in the right series', async () => {
    const { metrics } = openMetrics();
    const before = await scrape(metrics);
    for (const observation of everything) metrics.observe(observation);
    const after = await scrape(metrics);
    const moved = (name: string, labels: Record<string, string>): void =>
      expect(sumOf(after, name, labels) - sumOf(before, name, labels), name).toBe(1);
    const host = { host: 'example.com' };
    moved('mod_http_notifications_sent_total', host);
    moved('mod_http_notifications_failed_total', host);
    moved('mod_http_notifications_response_time_seconds_count', host);
    moved('event_pusher_attempts_total', { pool: 'http_pool', outcome: '2xx' });
    moved('event_pusher_stanzas_total', { tap: 'forwarded' });
    moved('event_pusher_events_total', { dir: 'in' });
    moved('event_pusher_discarded_total', { reason: 'iq' });
    moved('event_pusher_callback_errors_total', { backend: 'chats', callback: 'prepareBody' });
    moved('event_pusher_jid_preparation_failures_total', {});
    moved('event_pusher_component_connected', {});
    moved('event_pusher_internal_errors_total', { where: 'router' });
    for (const [name] of contract.filter(([, type]) => type === 'counter')) {
      expect(sumOf(after, name) - sumOf(before, name), name).toBeLessThanOrEqual(1);
    }
  });

  it('take as `host` only trusted domains and `other`, whoever sends', async () => {
    const { metrics } = openMetrics();
    const hosts = ['example.com', 'EXAMPLE.COM', 'example.com.', 'evil"\n\\', '', '__proto__', 'constructor'];
    for (let number = 0; number < 1000; number += 1) hosts.push(`evil${number}.example.net`);
    for (const host of hosts) {
      metrics.observe({ kind: 'notification-delivered', notification: { ...notification, host }, attempt });
      metrics.observe({
        kind: 'notification-dead',
        notification: { ...notification, host },
        reason: 'rejected',
      });
    }
    const samples = await scrape(metrics);
    for (const name of [
      'mod_http_notifications_sent_total',
      'mod_http_notifications_failed_total',
      'mod_http_notifications_response_time_seconds_count',
    ]) {
      const values = new Set((samples.get(name) ?? []).map(({ labels }) => String(labels['host'])));
      expect([...values].filter((host) => host !== 'example.org').toSorted(), name).toEqual([
        'example.com',
        'other',
      ]);
      expect(sumOf(samples, name, { host: 'example.com' })).toBe(1);
      expect(sumOf(samples, name, { host: 'other' })).toBe(hosts.length - 1);
    }
  });

  it('start every series that the configuration makes known with 0, so that rate() sees its first increment', async () => {
    const samples = await scrape(openMetrics({ isShown: false }).metrics);
    const hosts = ['example.com', 'example.org', 'other'];
    const outcomes = ['2xx', '3xx', '4xx', '5xx', 'timeout', 'refused', 'reset', 'dns', 'tls', 'other'];
    const callbacks = ['shouldMakeReq', 'prepareHeaders', 'prepareBody'];
    const known: Readonly<Record<string, readonly object[]>> = {
      mod_http_notifications_sent_total: hosts.map((host) => ({ host })),
      mod_http_notifications_failed_total: hosts.map((host) => ({ host })),
      mod_http_notifications_response_time_seconds_count: hosts.map((host) => ({ host })),
      mod_http_notifications_response_time_seconds_sum: hosts.map((host) => ({ host })),
      event_pusher_attempts_total: ['http_pool', 'http_pool@example.com'].flatMap((pool) =>
        outcomes.map((outcome) => ({ pool, outcome })),
      ),
      event_pusher_stanzas_total: ['forwarded', 'direct', 'none'].map((tap) => ({ tap })),
      event_pusher_events_total: ['in', 'out'].map((dir) => ({ dir })),
      event_pusher_discarded_total: discardReasons.map((reason) => ({ reason })),
      event_pusher_callback_errors_total: ['chats', 'alerts'].flatMap((backend) =>
        callbacks.map((callback) => ({ backend, callback })),
      ),
      event_pusher_jid_preparation_failures_total: [{}],
      event_pusher_ledger_mismatches_total: [{}],
      event_pusher_internal_errors_total: faultPlaces.map((where) => ({ where })),
      event_pusher_component_disconnects_total: disconnectReasons.map((reason) => ({ reason })),
      event_pusher_second_component_pings_total: [{}],
      event_pusher_component_connected: [{}],
      event_pusher_notifications_total: ['chats', 'alerts'].flatMap((backend) =>
        ['accepted', 'delivered', 'dead', 'dropped'].map((state) => ({ backend, state })),
      ),
      event_pusher_declined_total: ['chats', 'alerts'].map((backend) => ({ backend })),
      event_pusher_outbox_writable: [{}],
      event_pusher_dead_letters: [{}],
      ...Object.fromEntries(
        ['outbox_depth', 'outbox_oldest_age_seconds', 'outbox_unwritten', 'in_flight'].map((name) => [
          `event_pusher_${name}`,
          ['http_pool', 'http_pool@example.com'].map((pool) => ({ pool })),
        ]),
      ),
    };
    const constant = ['event_pusher_outbox_capacity', 'event_pusher_pool_workers', 'event_pusher_build_info'];
    const counted = contract.flatMap(([name, type]) =>
      type === 'histogram' ? [`${name}_count`, `${name}_sum`] : [name],
    );
    expect(Object.keys(known).toSorted()).toEqual(
      counted.filter((name) => !constant.includes(name)).toSorted(),
    );
    for (const [name, labels] of Object.entries(known)) {
      expect(samples.get(name), name).toEqual(labels.map((each) => ({ labels: each, value: 0 })));
    }
  });

  it('time successful requests only', async () => {
    const { metrics } = openMetrics();
    const outcomes: Outcome[] = ['3xx', '4xx', '5xx', 'timeout', 'refused', 'reset', 'dns', 'tls', 'other'];
    for (const outcome of outcomes) {
      const failed = { outcome, durationSeconds: 5 };
      metrics.observe({ kind: 'attempt-made', request: notification, attempt: failed });
      metrics.observe({
        kind: 'notification-retried',
        notification,
        attempt: failed,
        facts,
        afterMs: 1,
        cause: 'back-off',
      });
      metrics.observe({ kind: 'notification-dead', notification, attempt: failed, reason: 'expired' });
    }
    metrics.observe({ kind: 'notification-delivered', notification, attempt });
    const samples = await scrape(metrics);
    const name = 'mod_http_notifications_response_time_seconds';
    expect(sumOf(samples, `${name}_count`)).toBe(1);
    expect(sumOf(samples, `${name}_sum`)).toBe(0.03);
    expect(sumOf(samples, `${name}_bucket`, { le: '0.025' })).toBe(0);
    expect(sumOf(samples, `${name}_bucket`, { le: '0.05' })).toBe(1);
    expect(sumOf(samples, 'event_pusher_attempts_total')).toBe(outcomes.length);
  });

  it('show the configured capacity and workers of a pool', async () => {
    const samples = await scrape(openMetrics().metrics);
    expect(sumOf(samples, 'event_pusher_outbox_capacity', { pool: 'http_pool' })).toBe(1000);
    expect(sumOf(samples, 'event_pusher_pool_workers', { pool: 'http_pool' })).toBe(10);
  });

  it('show a pool that is no longer configured only while notifications wait for it', async () => {
    const counts: Record<string, OutboxCounts> = {};
    const { metrics } = openMetrics({ counts });
    counts['gone'] = { waiting: 3, inFlight: 0, unwritten: 0, oldestAcceptedAtMs: 0 };
    expect(sumOf(await scrape(metrics), 'event_pusher_outbox_depth', { pool: 'gone' })).toBe(3);
    delete counts['gone'];
    const samples = (await scrape(metrics)).get('event_pusher_outbox_depth') ?? [];
    expect(samples.filter(({ labels }) => labels['pool'] === 'gone')).toEqual([]);
  });

  it('show whether the component is connected', async () => {
    const { metrics } = openMetrics();
    const connected = async (): Promise<number> =>
      sumOf(await scrape(metrics), 'event_pusher_component_connected');
    expect(await connected()).toBe(0);
    metrics.observe({ kind: 'component-online', domain: 'push.example.com', isRepeat: false });
    expect(await connected()).toBe(1);
    metrics.observe({
      kind: 'component-offline',
      code: 'closed',
      reason: 'gone',
      isRepeat: false,
      retryInMs: 1000,
    });
    expect(await connected()).toBe(0);
  });

  it('count disconnects by reason, each from 0 at startup on', async () => {
    const { metrics } = openMetrics();
    const name = 'event_pusher_component_disconnects_total';
    const reasons = ((await scrape(metrics)).get(name) ?? []).map(({ labels, value }) => [
      labels['reason'],
      value,
    ]);
    expect(reasons).toEqual(disconnectReasons.map((reason) => [reason, 0]));
    for (const isRepeat of [false, true]) {
      metrics.observe({ kind: 'component-offline', code: 'route-lost', reason: 'gone', isRepeat });
    }
    expect(sumOf(await scrape(metrics), name, { reason: 'route-lost' })).toBe(2);
    expect(sumOf(await scrape(metrics), name)).toBe(2);
  });

  it('count every ping of a second component, from 0 on', async () => {
    const { metrics } = openMetrics();
    const pings = async (): Promise<number> =>
      sumOf(await scrape(metrics), 'event_pusher_second_component_pings_total');
    expect((await scrape(metrics)).get('event_pusher_second_component_pings_total')).toHaveLength(1);
    for (const isFirst of [true, false]) {
      metrics.observe({ kind: 'second-component', domain: 'push.example.com', isFirst });
    }
    expect(await pings()).toBe(2);
  });

  it('show each outbox as it is at the scrape', async () => {
    const counts: Record<string, OutboxCounts> = {
      http_pool: { waiting: 7, inFlight: 2, unwritten: 3, oldestAcceptedAtMs: 1000 },
      'http_pool@example.com': { waiting: 0, inFlight: 0, unwritten: 0, oldestAcceptedAtMs: undefined },
    };
    let nowMs = 3500;
    const { metrics } = openMetrics({ counts, nowMs: () => nowMs });
    const own = { pool: 'http_pool@example.com' };
    let samples = await scrape(metrics);
    expect(sumOf(samples, 'event_pusher_outbox_depth', { pool: 'http_pool' })).toBe(7);
    expect(sumOf(samples, 'event_pusher_in_flight', { pool: 'http_pool' })).toBe(2);
    expect(sumOf(samples, 'event_pusher_outbox_unwritten', { pool: 'http_pool' })).toBe(3);
    expect(samples.get('event_pusher_outbox_unwritten')).toContainEqual({ labels: own, value: 0 });
    expect(sumOf(samples, 'event_pusher_outbox_oldest_age_seconds', { pool: 'http_pool' })).toBe(2.5);
    expect(samples.get('event_pusher_outbox_oldest_age_seconds')).toContainEqual({ labels: own, value: 0 });
    expect(samples.get('event_pusher_outbox_depth')).toContainEqual({ labels: own, value: 0 });
    counts['http_pool'] = { waiting: 0, inFlight: 1, unwritten: 0, oldestAcceptedAtMs: 9000 };
    nowMs = 8000;
    samples = await scrape(metrics);
    expect(sumOf(samples, 'event_pusher_outbox_depth', { pool: 'http_pool' })).toBe(0);
    expect(sumOf(samples, 'event_pusher_outbox_oldest_age_seconds'), 'a clock that was set back').toBe(0);
  });

  it('show the ledger, every backend and state from 0 at startup on', async () => {
    const { metrics, ledger } = openMetrics();
    expect((await scrape(metrics)).get('event_pusher_notifications_total')).toEqual(
      ['chats', 'alerts'].flatMap((backend) =>
        ['accepted', 'delivered', 'dead', 'dropped'].map((state) => ({
          labels: { backend, state },
          value: 0,
        })),
      ),
    );
    ledger.count('chats', 'accepted');
    ledger.count('alerts', 'dropped');
    for (let again = 0; again < 3; again += 1) {
      const samples = await scrape(metrics);
      expect(
        sumOf(samples, 'event_pusher_notifications_total', { backend: 'chats', state: 'accepted' }),
      ).toBe(1);
      expect(
        sumOf(samples, 'event_pusher_notifications_total', { backend: 'alerts', state: 'dropped' }),
      ).toBe(1);
      expect(sumOf(samples, 'event_pusher_notifications_total')).toBe(2);
    }
  });

  it('are served again after a scrape that failed', async () => {
    const counts: Record<string, OutboxCounts> = {};
    Object.defineProperty(counts, 'http_pool', {
      get: () => assert.fail('broken'),
      enumerable: true,
      configurable: true,
    });
    const { metrics } = openMetrics({ counts });
    await expect(metrics.scrape()).rejects.toThrow('broken');
    delete counts['http_pool'];
    expect(await metrics.scrape()).toContain('event_pusher_build_info');
  });

  it('let other tasks run while many series are written', async () => {
    const trustedDomains = Array.from({ length: 3000 }, (_, number) => `host${number}.example.com`);
    const { metrics } = openMetrics({ trustedDomains });
    for (const host of trustedDomains) {
      metrics.observe({ kind: 'notification-delivered', notification: { ...notification, host }, attempt });
    }
    let turns = 0;
    const turn = (): void => {
      turns += 1;
      next = setImmediate(turn);
    };
    let next = setImmediate(turn);
    await metrics.scrape();
    clearImmediate(next);
    expect(turns).toBeGreaterThan(1);
  });

  it('show the version and that of Node', async () => {
    const samples = await scrape(openMetrics().metrics);
    expect(samples.get('event_pusher_build_info')).toEqual([
      { labels: { version: '1.2.3', node: process.version }, value: 1 },
    ]);
  });

  it('stay readable whatever a backend is called', async () => {
    const { metrics, ledger } = openMetrics();
    const backend = 'a "quoted" \\ name, with {braces} and = \u2028';
    ledger.count(backend, 'accepted');
    metrics.observe({ kind: 'callback-failed', backend, callback: 'prepareBody', error: undefined });
    const samples = await scrape(metrics);
    const escaped = backend.replaceAll('\\', '\\\\').replaceAll('"', '\\"');
    expect(sumOf(samples, 'event_pusher_callback_errors_total', { backend: escaped })).toBe(1);
  });
});

describe('the ledger', () => {
  it('is balanced at every scrape, although the next scrape begins before it is finished', async () => {
    const counts = { http_pool: { waiting: 0, inFlight: 0, unwritten: 0, oldestAcceptedAtMs: 0 } };
    const { metrics, ledger } = openMetrics({ counts });
    const scrapes: Promise<string>[] = [];
    for (let number = 0; number < 20; number += 1) {
      scrapes.push(metrics.scrape());
      queueMicrotask(() => {
        ledger.count('chats', 'accepted');
        counts.http_pool.waiting += 1;
      });
      scrapes.push(metrics.scrape());
      await scrapes.at(-1);
    }
    for (const text of await Promise.all(scrapes)) expectBalanced(text);
  });

  it('is balanced at every scrape, however many run at once, while notifications are put, sent, retried, dropped', async () => {
    let held: (() => void)[] | undefined;
    const receiver = await startReceiver({
      respond: ({ at }, response) => {
        const answer = (): void => void response.writeHead([204, 503, 204, 404][at % 4]!).end();
        if (held === undefined) setImmediate(answer);
        else held.push(answer);
      },
    });
    onTestFinished(() => receiver.stop());
    const pools = ['http_pool', 'alerts_pool'];
    const { ledger, lanes, port } = await openBusySidecar(receiver.url, pools);
    const put = async (number: number): Promise<void> => {
      for (const [index, { outbox }] of lanes.entries()) {
        await outbox.put({
          ...notification,
          id: `${index}-${number}`,
          sender: `user${number % 9}@example.com`,
          backend: `backend${number % 3}`,
          pool: pools[index]!,
          acceptedAtMs: systemClock.now(),
        });
      }
    };
    const scrapeOnce = async (): Promise<string> => (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    const scraped: string[] = [];
    let isOver = false;
    const scrapers = Array.from({ length: 8 }, async () => {
      while (!isOver) scraped.push(await scrapeOnce());
    });

    for (let number = 0; number < 400; number += 1) {
      await put(number);
      if (number % 20 === 0) await receiver.next();
    }
    held = [];
    for (let number = 400; number < 460; number += 1) await put(number);
    const busy = await scrapeOnce();
    const answers = held;
    held = undefined;
    for (const answer of answers) answer();
    await Promise.all(lanes.map(({ outbox }) => outbox.drained()));
    isOver = true;
    await Promise.all(scrapers);
    for (const { outbox } of lanes) outbox.stopLeasing();
    await Promise.all(lanes.map(({ ended }) => ended));
    const atTheEnd = await scrapeOnce();

    for (const text of [...scraped, busy, atTheEnd]) expectBalanced(text);
    const inTheMidst = parseMetrics(busy);
    expect(sumOf(inTheMidst, 'event_pusher_outbox_depth')).toBeGreaterThan(0);
    expect(sumOf(inTheMidst, 'event_pusher_in_flight')).toBeGreaterThan(0);
    const last = parseMetrics(atTheEnd);
    const state = (name: string): number => sumOf(last, 'event_pusher_notifications_total', { state: name });
    expect(state('accepted')).toBe(920);
    expect(state('delivered')).toBe(sumOf(last, 'mod_http_notifications_sent_total'));
    expect(state('dead')).toBe(sumOf(last, 'mod_http_notifications_failed_total'));
    expect(sumOf(last, 'event_pusher_attempts_total')).toBe(receiver.requests.length);
    for (const name of ['delivered', 'dead', 'dropped']) expect(state(name), name).toBeGreaterThan(0);
    expect([...ledger.entries().keys()].toSorted()).toEqual(['backend0', 'backend1', 'backend2']);
  });
});

/** Two lanes as the sidecar has them, with small outboxes and quick retries, and their telemetry. */
async function openBusySidecar(server: string, pools: readonly string[]) {
  const clock = systemClock;
  const ledger = new Ledger();
  const retry = {
    firstDelayMs: 1,
    maxDelayMs: 4,
    maxAgeMs: 600_000,
    order: 'sender' as const,
    statuses: ['5xx' as const],
  };
  const lanes: { readonly outbox: Outbox; readonly ended: Promise<void> }[] = [];
  const metrics = createMetrics({
    version: '1.2.3',
    node: process.version,
    trustedDomains: ['example.com'],
    taps: [],
    pools: new Map(),
    backends: [],
  });
  metrics.show(() => ({
    nowMs: clock.now(),
    outboxes: lanes.map(({ outbox }, index) => [pools[index]!, outbox.counts()] as const),
    ledger: [...ledger.entries()],
    declined: [],
    isWritable: true,
    deadLetters: 0,
  }));
  const { observe } = metrics;
  for (const [index, label] of pools.entries()) {
    const whenFull = index === 0 ? 'drop_newest' : 'drop_oldest';
    const outbox = await memoryOutbox(
      outboxOptions({ pool: label, capacity: 30, whenFull, retry, workers: 4 }),
      { clock, observe, ledger },
    );
    const pool = openPool(
      {
        server,
        pathPrefix: '/',
        workers: 4,
        requestTimeoutMs: 60_000,
        maxConnectionAgeMs: 60_000,
        userAgent: 'test',
      },
      { clock, random: Math.random, observe },
    );
    onTestFinished(() => pool.close());
    lanes.push({
      outbox,
      ended: dispatch({ outbox, pool, workers: 4, retry }, { clock, random: Math.random, observe }),
    });
  }
  const telemetry = await serveTelemetry({
    host: '127.0.0.1',
    port: 0,
    hosts: [],
    metrics,
    unreadyReasons: () => [],
  });
  onTestFinished(() => telemetry.close());
  return { ledger, lanes, port: telemetry.address.port };
}
