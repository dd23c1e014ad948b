// The table: what is run, what comes of it, and what it should be at least or at most.
import { backlog } from './scenarios/backlog.mjs';
import { clients } from './scenarios/clients.mjs';
import { delivery } from './scenarios/delivery.mjs';
import { hang } from './scenarios/hang.mjs';
import { ingest } from './scenarios/ingest.mjs';
import { isolation } from './scenarios/isolation.mjs';
import { latency } from './scenarios/latency.mjs';
import { slow } from './scenarios/slow.mjs';
import { start } from './scenarios/start.mjs';

const atMost = (limit) => ({ atMost: limit });
const atLeast = (limit) => ({ atLeast: limit });

/**
 * Rows of a measurement: key, what it says, and its target, if there is one. What a row with a unit says depends on the
 * machine and on what else runs there: the quick run only prints it.
 */
const row = (key, what, target = {}) => ({ key, what, unit: '', ...target });
const figure = (unit, key, what, target = {}) => ({ key, what, unit, ...target });

const isolationRows = ['never', 'flood', 'reset'].flatMap((mode) => [
  row(`isolation-${mode}-rate`, `healthy pool, sibling "${mode}": rate at 2000/s`, atLeast(0.9)),
  figure('x', `isolation-${mode}-p99`, `healthy pool, sibling "${mode}": p99 at 2000/s`, atMost(1.1)),
  row(`isolation-${mode}-full`, `healthy pool, sibling "${mode}": rate at full speed`, atLeast(0.9)),
]);

const slowRows = ['none', 'sender', 'strict'].flatMap((order) => [
  row(`slow-${order}-30`, `20 ms, 30 senders, order ${order}: rate / allowed`, wanted(order)),
  row(`slow-${order}-1`, `20 ms, one sender, order ${order}: rate / allowed`, wanted(order)),
]);

/** Only `none` can use all workers: with an order there is one request at a time of each sender. */
function wanted(order) {
  return order === 'none' ? atLeast(0.95) : {};
}

function deliveryRows(engine, { cpu, rate }) {
  return [
    row(`${engine}-cpu`, `sidecar, ${engine}: CPU per notification / bare POST`, cpu),
    row(`${engine}-rate`, `sidecar, ${engine}: rate / bare client's`, rate),
    row(`${engine}-rate-pinned`, `sidecar, ${engine}: the same with all its threads on one core`),
    figure('/s', `${engine}-per-second`, `sidecar, ${engine}: notifications per second`),
    figure('µs', `${engine}-microseconds`, `sidecar, ${engine}: CPU per notification`),
    figure('MB', `${engine}-memory`, `sidecar, ${engine}: most resident memory`),
    figure('', `${engine}-lost`, `sidecar, ${engine}: notifications not delivered`, atMost(0)),
  ];
}

function latencyRows(engine, added) {
  return [
    figure('ms', `latency-${engine}-p50`, `stanza in to request out, ${engine}: p50`),
    figure('ms', `latency-${engine}-p99`, `stanza in to request out, ${engine}: p99`),
    figure(
      'ms',
      `latency-${engine}-added`,
      `stanza in to request out, ${engine}: p99 - bare client's`,
      added,
    ),
    figure('/s', `latency-${engine}-load`, `stanza in to request out, ${engine}: load`),
  ];
}

function hangRows(engine) {
  return [
    row(`hang-${engine}-read`, `receivers hang, ${engine}: stanzas read / bare rate`),
    row(`hang-${engine}-growth`, `receivers hang, ${engine}: memory growth / allowed`, atMost(1)),
    figure('MB', `hang-${engine}-memory`, `receivers hang, ${engine}: most resident memory`),
    figure('', `hang-${engine}-dropped`, `receivers hang, ${engine}: dropped by a full outbox`),
    figure('', `hang-${engine}-lost`, `receivers hang, ${engine}: lost or not counted`, atMost(0)),
  ];
}

/** Rows that several measurements fill. */
export const common = [
  figure('µs', 'bare-cpu', 'bare client: CPU per POST'),
  figure('/s', 'bare-rate', 'bare client: POSTs per second'),
  figure('µs', 'receiver-cpu', "receivers' process: CPU per request"),
  figure('ms', 'latency-bare-p50', 'bare client at half load: request made to request read, p50'),
  figure('ms', 'latency-bare-p99', 'bare client at half load: request made to request read, p99'),
];

/** Those that are not `inQuick` say nothing that the quick run could fail by. */
export const measurements = [
  {
    name: 'clients',
    inQuick: false,
    run: clients,
    rows: [
      row('got-cpu', 'got.post: CPU / bare'),
      row('got-rate', 'got.post: rate / bare'),
      row('got-stream-cpu', 'got.stream.post: CPU / bare'),
      row('got-stream-rate', 'got.stream.post: rate / bare'),
      row('pool-cpu', 'our outgoing pool: CPU / bare'),
      row('pool-rate', 'our outgoing pool: rate / bare'),
    ],
  },
  { name: 'memory', run: delivery('memory'), rows: deliveryRows('memory', { cpu: atMost(2) }) },
  {
    name: 'lmdb',
    run: delivery('lmdb'),
    rows: deliveryRows('lmdb', { cpu: atMost(2.6), rate: atLeast(0.45) }),
  },
  {
    name: 'ingest',
    run: ingest,
    rows: [
      // 120,000/s on the machine whose bare client needs 30 µs for a POST.
      row('ingest-cpu', 'unwanted stanzas: CPU / bare POST', atMost(8.33 / 30)),
      row('ingest-rate', "unwanted stanzas: rate / bare client's"),
      figure('/s', 'ingest-per-second', 'unwanted stanzas per second'),
      figure('B', 'ingest-bytes', 'unwanted stanzas: size'),
    ],
  },
  {
    name: 'slow',
    run: slow,
    rows: [figure('/s', 'slow-allowed', '20 ms, 50 workers: what the bare client gets'), ...slowRows],
  },
  { name: 'hang', run: hang('memory'), rows: hangRows('memory') },
  { name: 'hang-lmdb', inQuick: false, run: hang('lmdb'), rows: hangRows('lmdb') },
  { name: 'latency', inQuick: false, run: latency('memory'), rows: latencyRows('memory', atMost(5)) },
  { name: 'latency-lmdb', inQuick: false, run: latency('lmdb'), rows: latencyRows('lmdb', atMost(15)) },
  {
    name: 'backlog',
    run: backlog,
    rows: [
      figure('', 'backlog-waiting', 'backlog: notifications waiting'),
      figure('/s', 'backlog-fill', 'backlog: accepted per second'),
      figure('s', 'backlog-start', 'backlog: start'),
      // 3 s on such a machine.
      row('backlog-start-posts', 'backlog: start / bare POST', atMost(3 / 30e-6)),
      figure('MB', 'backlog-memory', 'backlog: resident memory after the start', atMost(300)),
      figure('MB', 'backlog-anonymous', "backlog: of it the process's own"),
      figure('MB', 'backlog-file', 'backlog: of it pages of files'),
      figure('MB', 'backlog-memory-most', 'backlog: most resident memory while it is drained'),
      figure('/s', 'backlog-drain-per-second', 'backlog: drained per second'),
      row('backlog-drain', 'backlog: drained / steady rate', atLeast(0.9)),
    ],
  },
  {
    name: 'start',
    run: start,
    rows: [
      figure('ms', 'start-bare', 'bare start of Node: CPU'),
      // 0.5 s where a bare start of Node 20 takes 0.06.
      row('start-ready', 'run until connected, lmdb: CPU / bare start of Node 20', atMost(8.3)),
      row('start-version', '--version: CPU / bare start of Node', atMost(1.5)),
      row('start-healthcheck', 'healthcheck: CPU / bare start of Node', atMost(1.5)),
    ],
  },
  {
    name: 'isolation',
    run: isolation,
    rows: [figure('ms', 'isolation-p99', 'healthy pool, healthy sibling: p99 at 2000/s'), ...isolationRows],
  },
];
