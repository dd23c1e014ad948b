import { onTestFinished } from 'vitest';
import type { Notification } from '../../src/core/delivery.ts';
import { Ledger } from '../../src/core/ledger.ts';
import type { Observation } from '../../src/core/observation.ts';
import type { RetryPolicy } from '../../src/core/retry-policy.ts';
import { type Batch, dispatch } from '../../src/delivery/dispatcher.ts';
import { openPool } from '../../src/delivery/http/pool.ts';
import { ManualClock } from '../support/clock.ts';
import { expectLedgerBalanced } from '../support/ledger.ts';
import { memoryOutbox, outboxOptions } from '../support/outbox.ts';
import { Watchers } from '../support/wait.ts';

export interface LaneOptions {
  readonly workers?: number;
  readonly retry?: Partial<RetryPolicy>;
  readonly clock?: ManualClock;
  readonly backends?: readonly string[];
  readonly batch?: Batch;
}

/** An outbox, a pool and the dispatcher between them, on a clock that is moved by hand. */
export async function openLane(
  server: string,
  { workers = 10, retry = {}, clock = new ManualClock(), backends = ['chats'], batch }: LaneOptions = {},
) {
  const ledger = new Ledger();
  const observations: Observation[] = [];
  const watchers = new Watchers();
  const observe = (observation: Observation): void => {
    observations.push(observation);
    watchers.tell();
  };
  const options = outboxOptions({ workers, retry, backends });
  const outbox = await memoryOutbox(options, { clock, observe, ledger });
  const pool = openPool(
    {
      server,
      pathPrefix: '/',
      workers,
      requestTimeoutMs: 2000,
      maxConnectionAgeMs: 60_000,
      userAgent: 'test',
    },
    { clock, random: () => 0, observe },
  );
  const ended = dispatch(
    { outbox, pool, workers, retry: options.retry, ...(batch && { batch }) },
    { clock, observe, random: () => 0 },
  );
  onTestFinished(async () => {
    outbox.stopLeasing();
    pool.close();
    await ended;
    expectLedgerBalanced(ledger, outbox.counts());
  });
  /** Resolves once so many observations of a kind were made, with the first so many of them. */
  const seenAll = <Kind extends Observation['kind']>(kind: Kind, count: number) => {
    const isOfKind = (each: Observation): each is Extract<Observation, { kind: Kind }> => each.kind === kind;
    const find = (): Extract<Observation, { kind: Kind }>[] | undefined => {
      const found = observations.filter(isOfKind);
      return found.length < count ? undefined : found.slice(0, count);
    };
    return watchers.until(`${count} of ${kind}`, find, () => observations.slice(-10));
  };
  return {
    clock,
    ledger,
    outbox,
    ended,
    observations,
    put: async (...notifications: readonly Notification[]) => {
      for (const each of notifications) await outbox.put({ ...each, acceptedAtMs: clock.now() });
    },
    seenAll,
    /** Resolves once so many observations of a kind were made, with the latest of them. */
    seen: async <Kind extends Observation['kind']>(kind: Kind, count = 1) =>
      (await seenAll(kind, count)).at(-1)!,
  };
}
