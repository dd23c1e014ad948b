import { cpuSeconds, startProgram } from './processes.mjs';
import { runSidecar } from './sidecar.mjs';

/** Long enough for any step on a slow machine, and for each request; what takes longer has lost something on the way. */
const DEADLINE_MS = 120_000;
const REQUEST_MS = 1;

/** What all scenarios share: the receivers' process, the bare client, and the list of what was measured. */
export class Bench {
  /** Figures of all rounds by the key of their row. */
  figures = new Map();
  #receiver;
  #apart;
  #clients = new Map();

  constructor({ isQuick }) {
    this.isQuick = isQuick;
    this.#receiver = startProgram('receiver');
  }

  /** One of two sizes: of the full run, or of the quick one. */
  size(full, quick) {
    return this.isQuick ? quick : full;
  }

  record(key, figure) {
    const figures = this.figures.get(key) ?? [];
    figures.push(figure);
    this.figures.set(key, figures);
  }

  /** Opens a port of the receivers' process: `at once` (204), `later` (204 after `delayMs`), `never`, `reset` or `flood`. */
  async openPort(mode = 'at once', delayMs = 0) {
    return openPortOf(this.#receiver, mode, delayMs);
  }

  /** The same in a process of its own, which takes no processor time from the others: as if it were another machine. */
  async openPortApart(mode) {
    this.#apart ??= startProgram('receiver', [], { isMeek: true });
    return openPortOf(this.#apart, mode, 0);
  }

  /** CPU seconds of the receivers' process, to see that it is not what limits. */
  receiverCpuSeconds() {
    return cpuSeconds(this.#receiver.pid);
  }

  /** A client's process, warmed up; the same one each time. */
  async client(kind, port, connections = 50) {
    const key = `${kind} ${port ?? ''} ${connections}`;
    const known = this.#clients.get(key);
    if (known !== undefined) return known;
    const to = port ?? (await this.openPort()).port;
    const program = startProgram('client', [kind, `http://127.0.0.1:${to}`, connections], {
      core: 'measured',
    });
    this.#clients.set(key, program);
    if (port === undefined) await program.ask('run', { count: this.size(20_000, 5_000) });
    return program;
  }

  /** What one of the clients needs for a POST right now. */
  async post(kind, count = this.size(40_000, 5_000)) {
    const client = await this.client(kind);
    const before = cpuSeconds(client.pid);
    const { seconds } = await client.ask('run', { count });
    return { cpu: (cpuSeconds(client.pid) - before) / count, rate: count / seconds };
  }

  /** The unit of the ratios, to be measured again in each round. */
  async bare() {
    const figure = await this.post('bare');
    this.record('bare-cpu', figure.cpu * 1e6);
    this.record('bare-rate', figure.rate);
    return figure;
  }

  /** Runs the sidecar while `use` does, and ends it whatever happens. */
  async withSidecar(options, use) {
    const sidecar = await runSidecar(options);
    try {
      return await use(sidecar);
    } finally {
      await sidecar.stop();
    }
  }

  async stop() {
    for (const client of this.#clients.values()) await client.stop();
    await this.#apart?.stop();
    await this.#receiver.stop();
  }
}

async function openPortOf(receiver, mode, delayMs) {
  const port = await receiver.ask('open', { mode, delayMs });
  return {
    port,
    change: (to) => receiver.ask('change', { port, mode: to }),
    restart: () => receiver.ask('restart', { port }),
    received: (count) => within(receiver.ask('received', { port, count }), count),
    state: () => receiver.ask('state', { port }),
  };
}

/**
 * So many stanzas may be under way at a time: always enough for all workers, and less than the sidecar discards for
 * overload while its store is slow (what it does with more, the measurement `hang` shows).
 */
const WINDOW = 4000;

/** Sends stanzas as fast as the sidecar delivers them, and waits until each has become a request. */
export async function deliver(sidecar, port, { stanzas, times, count }) {
  await port.restart();
  const cpuBefore = sidecar.cpuSeconds();
  const fromMs = uptimeMs();
  for (let time = 1; time <= times; time += 1) {
    await sidecar.component.send(stanzas);
    const most = (count / times) * time - WINDOW;
    if (most > 0) await port.received(most);
  }
  const { lastMs } = await port.received(count);
  await pause(100);
  return {
    cpu: (sidecar.cpuSeconds() - cpuBefore) / count,
    rate: count / ((lastMs - fromMs) / 1000),
  };
}

/** Asserts that what was accepted is somewhere; gives what became of it. */
export async function readLedger(sidecar) {
  const metrics = await sidecar.metrics();
  const state = (name) => metrics('event_pusher_notifications_total', { state: name });
  const ledger = {
    accepted: state('accepted'),
    delivered: state('delivered'),
    dead: state('dead'),
    dropped: state('dropped'),
    waiting: metrics('event_pusher_outbox_depth'),
    inFlight: metrics('event_pusher_in_flight'),
    overload: metrics('event_pusher_discarded_total', { reason: 'overload' }),
  };
  const { accepted, delivered, dead, dropped, waiting, inFlight } = ledger;
  return { ...ledger, missing: accepted - delivered - dead - dropped - waiting - inFlight };
}

export function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** The p-th percentile of numbers. */
export function percentile(numbers, p) {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * p) / 100))];
}

/** The clock that the receivers' process reads, too. */
function uptimeMs() {
  return Number(process.hrtime.bigint()) / 1e6;
}

function within(promise, count) {
  let timer;
  const deadline = new Promise((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new Error(`waited in vain for ${count} requests`)),
      DEADLINE_MS + count * REQUEST_MS,
    );
  });
  return Promise.race([promise, deadline]).finally(() => clearTimeout(timer));
}
