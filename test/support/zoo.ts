import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { mkdtemp, rm } from 'node:fs/promises';
import type { ClientRequest } from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import v8 from 'node:v8';
import vm from 'node:vm';
import { onTestFinished } from 'vitest';
import type { Notification } from '../../src/core/delivery.ts';
import { Ledger } from '../../src/core/ledger.ts';
import type { Observation } from '../../src/core/observation.ts';
import type { RetryPolicy } from '../../src/core/retry-policy.ts';
import type { EngineName } from '../../src/outbox/engines/index.ts';
import { dispatch } from '../../src/delivery/dispatcher.ts';
import { openPool } from '../../src/delivery/http/pool.ts';
import { ManualClock } from './clock.ts';
import { expectLedgerBalanced } from './ledger.ts';
import { chosenFor, outboxOptions } from './outbox.ts';
import { Watchers } from './wait.ts';

/** A clock that stands still until it is moved, and whose Unix time can be set as an operator sets it. */
export class SettableClock extends ManualClock {
  #setOffMs = 0;

  override now(): number {
    return super.now() + this.#setOffMs;
  }

  /** Sets the Unix time on (or back, if negative); durations and timers do not see it. */
  set(byMs: number): void {
    this.#setOffMs += byMs;
  }
}

/** What becomes of a notification after an attempt. */
export type Judged = Extract<
  Observation,
  { kind: 'notification-delivered' | 'notification-retried' | 'notification-dead' }
>;

export interface ZooLaneOptions {
  readonly engine: EngineName;
  readonly server: string;
  readonly workers: number;
  readonly requestTimeoutMs: number;
  readonly retry: RetryPolicy;
  readonly clock: ManualClock;
  /** Told of each verdict, in order. */
  readonly onJudged?: (judged: Judged) => void;
}

/** An outbox, a pool and the dispatcher between them; after the test its ledger must be balanced. */
export async function openZooLane(options: ZooLaneOptions) {
  const { engine, clock, workers, retry, onJudged } = options;
  const ledger = new Ledger();
  const judged: Judged[] = [];
  const outcomes: string[] = [];
  const watchers = new Watchers();
  const observe = (seen: Observation): void => {
    if (seen.kind === 'attempt-made') outcomes.push(seen.attempt.outcome);
    if (!isJudged(seen)) return;
    judged.push(seen);
    onJudged?.(seen);
    watchers.tell();
  };
  const folder = await mkdtemp(join(tmpdir(), 'zoo-'));
  const store = await chosenFor(engine, folder).open({ deadLetterCapacity: 100 }, { clock, observe, ledger });
  const outbox = store.outbox(outboxOptions({ workers, retry }));
  await store.start(() => Promise.resolve());
  const pool = openPool(
    { ...options, pathPrefix: '/', maxConnectionAgeMs: 60_000, userAgent: 'test' },
    { clock, random: () => 0, observe },
  );
  const ended = dispatch({ outbox, pool, workers, retry }, { clock, observe, random: () => 0 });
  onTestFinished(async () => {
    outbox.stopLeasing();
    pool.close();
    await ended;
    await outbox.close();
    await store.close();
    await rm(folder, { recursive: true });
    expectLedgerBalanced(ledger, outbox.counts());
  });
  return {
    ledger,
    outbox,
    /** The outcomes of all attempts so far, in order. */
    outcomes: outcomes as readonly string[],
    put: (notification: Notification) => outbox.put({ ...notification, acceptedAtMs: clock.now() }),
    /** The verdict after the first (or a later) attempt of a notification, once it is there. */
    judged: ({ id }: Notification, count = 1) => {
      const find = (): Judged | undefined =>
        judged.filter(({ notification }) => notification.id === id)[count - 1];
      return watchers.until(`verdict ${count} on ${id}`, find, () => judged);
    },
  };
}

function isJudged(seen: Observation): seen is Judged {
  return /^notification-(delivered|retried|dead)$/.test(seen.kind);
}

/** Counts the connections that HTTP clients in this process hold to a port, until the test ends. */
export function watchConnections(port: number): { readonly most: number } {
  const sockets = new Set<Socket>();
  const watched = { most: 0 };
  const look = (message: unknown): void => {
    const { socket } = (message as { readonly request: ClientRequest }).request;
    if (socket === null) return;
    if (socket.connecting) socket.once('connect', () => add(socket));
    else add(socket);
  };
  const add = (socket: Socket): void => {
    if (socket.remotePort !== port) return;
    sockets.add(socket);
    // One that the client has ended or destroyed is gone, even if the receiver has not heard of it yet.
    const open = [...sockets].filter((socket) => socket.writable);
    watched.most = Math.max(watched.most, open.length);
  };
  subscribe(REQUEST_CHANNEL, look);
  onTestFinished(() => void unsubscribe(REQUEST_CHANNEL, look));
  return watched;
}

/** Node publishes here when a request was handed to its connection. */
const REQUEST_CHANNEL = 'http.client.request.start';

/** Watches what JavaScript objects and buffers take until the test ends; `peakMb` is how much more it was at most. */
export function watchMemory(): { peakMb(): number } {
  collectGarbage();
  // Buffers are given back in the background; the next collection waits for that.
  collectGarbage();
  const before = used();
  let peak = before;
  const look = (): void => {
    peak = Math.max(peak, used());
  };
  const sampling = setInterval(look, 2);
  onTestFinished(() => clearInterval(sampling));
  return {
    peakMb: () => {
      look();
      return (peak - before) / 1024 ** 2;
    },
  };
}

function used(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

v8.setFlagsFromString('--expose-gc');
const collectGarbage = vm.runInNewContext('gc') as () => void;

/** Trusts certificates until the test ends: what NODE_EXTRA_CA_CERTS does, for a process that runs already. */
export function trust(...certificates: readonly string[]): void {
  const { createSecureContext } = tls;
  tls.createSecureContext = (options) => createSecureContext({ ...options, ca: [...certificates] });
  onTestFinished(() => {
    tls.createSecureContext = createSecureContext;
  });
}

/** Writes pieces without end, as fast as they are taken; tells after each how many bytes were taken so far. */
export function flood(socket: Socket, piece: string | Buffer, onTaken: (bytes: number) => void): void {
  const buffer = typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece;
  let bytes = 0;
  const next = (): void => {
    if (socket.destroyed) return;
    socket.write(buffer, (error) => {
      if (error) return;
      bytes += buffer.length;
      onTaken(bytes);
      setImmediate(next);
    });
  };
  next();
}
