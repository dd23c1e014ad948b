import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Attempt, Notification, Verdict } from '../../src/core/delivery.ts';
import { notification as anyNotification } from '../support/notification.ts';
import { Ledger } from '../../src/core/ledger.ts';
import type { Observation } from '../../src/core/observation.ts';
import type { Lease, Outbox, OutboxCounts, PutResult } from '../../src/core/outbox.ts';
import type { DeliveryOrder } from '../../src/core/retry-policy.ts';
import type { OutboxStore } from '../../src/core/outbox-store.ts';
import { type EngineName, engines } from '../../src/outbox/engines/index.ts';
import { RequestLimit } from '../../src/outbox/local/request-limit.ts';
import { ManualClock } from '../support/clock.ts';
import { expectLedgerBalanced } from '../support/ledger.ts';
import { chosenFor, leaseOne, type OutboxChanges, outboxOptions } from '../support/outbox.ts';
import { allow } from '../support/limits.ts';

allow('manyCases');

/** An engine that is broken must not make the suite hang: no wait lasts longer, in milliseconds. */
const LONGEST_WAIT_MS = 5000;
/** Nor may the whole suite take hours then: once a wait was in vain, all others get less. */
const WAIT_ONCE_BROKEN_MS = 100;
let mostMs = LONGEST_WAIT_MS;

/** Gives the promise back, named and limited. */
function within<T>(what: string, promise: Promise<T>, story?: () => unknown, limitMs = mostMs): Promise<T> {
  let cancel = (): void => undefined;
  const timeIsUp = new Promise<never>((_resolve, reject) => {
    const fail = (): void => {
      mostMs = WAIT_ONCE_BROKEN_MS;
      reject(new Error(`waited in vain for ${what}; so far: ${JSON.stringify(story?.())}`));
    };
    const timer = setTimeout(fail, limitMs);
    cancel = () => clearTimeout(timer);
  });
  return Promise.race([promise, timeIsUp]).finally(() => cancel());
}

/** A store that the tests of an engine share: each test has a pool, a clock and a ledger of its own in it. */
class Environment {
  readonly folder = mkdtempSync(join(tmpdir(), 'outbox-'));
  readonly #engine: EngineName;
  /** Whose clock and ledger the store goes by now. */
  current: Bench | undefined;
  store: OutboxStore | undefined;
  pools = 0;

  constructor(engine: EngineName) {
    this.#engine = engine;
  }

  async open(bench: Bench): Promise<OutboxStore> {
    this.current = bench;
    if (this.store !== undefined) return this.store;
    const current = (): Bench => this.current!;
    const ports = {
      get clock() {
        return current().clock;
      },
      get ledger() {
        return current().ledger;
      },
      observe: (observation: Observation) => current().observe(observation),
    };
    const opened = chosenFor(this.#engine, this.folder).open({ deadLetterCapacity: 10 }, ports);
    this.store = await within('the store to open', opened, undefined, LONGEST_WAIT_MS);
    return this.store;
  }

  async close(): Promise<void> {
    const { store } = this;
    this.store = undefined;
    if (store !== undefined) await within('the store to close', store.close());
  }

  async end(): Promise<void> {
    await this.close().finally(() => rmSync(this.folder, { recursive: true, force: true }));
  }
}

/** What the suite must know of an engine before its tests are named: the store says it. */
async function traitsOf(engine: EngineName) {
  const environment = new Environment(engine);
  const store = await environment.open(new Bench(environment));
  const { keepsWhatIsLeft } = store;
  // With files, a run takes longer.
  const traits = { keepsWhatIsLeft, runs: keepsWhatIsLeft ? 60 : 200 };
  await store.start(() => Promise.resolve());
  await environment.end();
  return traits;
}

const delivered: Verdict = { kind: 'delivered' };
const rejected: Verdict = { kind: 'dead', reason: 'rejected' };
const retryAfter = (afterMs: number): Verdict => ({ kind: 'retry', afterMs, cause: 'back-off' });

/** An outbox on a clock that is moved by hand; after every step the ledger must be balanced. */
class Bench {
  readonly clock = new ManualClock();
  ledger = new Ledger();
  readonly dropped: { readonly id: string; readonly reason: string }[] = [];
  readonly #environment: Environment;
  readonly #options: OutboxChanges;
  store!: OutboxStore;
  outbox!: Outbox;

  constructor(environment: Environment, options: OutboxChanges = {}) {
    this.#environment = environment;
    this.#options = { pool: `pool${(environment.pools += 1)}`, ...options };
  }

  observe(observation: Observation): void {
    // Such as a step that the life of a record does not allow.
    if (observation.kind === 'internal-error') throw observation.error;
    if (observation.kind !== 'notification-dropped') return;
    this.dropped.push({ id: observation.notification.id, reason: observation.reason });
  }

  async open(): Promise<this> {
    const isNew = this.#environment.store === undefined;
    this.store = await this.#environment.open(this);
    this.outbox = this.store.outbox(outboxOptions(this.#options));
    if (isNew) {
      const started = this.store.start(() => Promise.resolve());
      await within('the store to start', started, undefined, LONGEST_WAIT_MS);
    }
    return this;
  }

  /** As after a restart: what was left comes into a ledger that starts from 0. */
  async reopen(): Promise<void> {
    await this.end();
    await this.#environment.close();
    this.ledger = new Ledger();
    await this.open();
    this.check();
  }

  end(): Promise<void> {
    return within('the outbox to close', this.outbox.close(), () => this.outbox.counts());
  }

  /** `alice1` is of the first backend, `alice1/alerts` of another. */
  async put(...ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      await this.write(notification(id, this.clock.now()));
      this.check();
    }
  }

  write(made: Notification): Promise<PutResult> {
    return within(`${made.id} to be put`, this.outbox.put(made));
  }

  drained(limitMs = mostMs): Promise<void> {
    return within('nothing to be left', this.outbox.drained(), () => this.outbox.counts(), limitMs);
  }

  async lease(): Promise<Lease> {
    const delivery = await within('a lease', leaseOne(this.outbox), () => this.outbox.counts());
    this.check();
    if (delivery === undefined) throw new Error('leasing was stopped');
    return delivery;
  }

  async settle(lease: Lease, verdict: Verdict, attempt?: Attempt): Promise<void> {
    const { id } = lease.notification;
    await within(`${id} to be settled (${verdict.kind})`, lease.settle(verdict, attempt));
    this.check();
  }

  advance(ms: number): void {
    this.clock.advance(ms);
    this.check();
  }

  check(): OutboxCounts {
    const counts = this.outbox.counts();
    expectLedgerBalanced(this.ledger, counts);
    return counts;
  }

  entry(backend = 'chats') {
    return this.ledger.entry(backend);
  }
}

/** `alice1` is Alice's. */
function wholeSecond(atMs: number): number {
  return Math.floor(atMs / 1000) * 1000;
}

function notification(id: string, acceptedAtMs: number): Notification {
  const [, name, backend = 'chats'] = /^([a-z]+)\d+(?:\/(.+))?$/.exec(id) ?? [];
  return anyNotification({ id, backend, sender: `${name}@example.com`, body: `body of ${id}`, acceptedAtMs });
}

const idOf = ({ notification: { id } }: Lease): string => id;

const names = Object.keys(engines) as EngineName[];
const all = await Promise.all(names.map(async (engine) => ({ engine, ...(await traitsOf(engine)) })));

describe.each(all)('the outbox engine "$engine"', ({ engine, keepsWhatIsLeft, runs }) => {
  let shared = new Environment(engine);
  afterAll(() => shared.end());

  /** An outbox of its own in the environment that the tests share, or in a new one. */
  async function openBench(options: OutboxChanges = {}, environment = shared): Promise<Bench> {
    const bench = await new Bench(environment, options).open();
    onTestFinished(async ({ task }) => {
      await bench.end();
      if (environment !== shared) await environment.end();
      // What a failed test leaves must not make others fail.
      else if (task.result?.state === 'fail') shared = new Environment(engine);
    });
    return bench;
  }

  describe('put, lease and settle', () => {
    it('hands out what was put, unchanged and with no attempts made', async () => {
      const bench = await openBench();
      const put = notification('alice1', bench.clock.now());
      await bench.write(put);
      expect(bench.check()).toMatchObject({ waiting: 1, inFlight: 0 });
      const delivery = await bench.lease();
      expect(delivery.notification).toEqual(put);
      expect(delivery.attempts).toBe(0);
      expect(bench.check()).toMatchObject({ waiting: 0, inFlight: 1 });
    });

    it('keeps bytes as bytes', async () => {
      const bench = await openBench();
      const body = Uint8Array.from([0, 255, 128, 10]);
      await bench.write({ ...notification('alice1', 0), body });
      expect(Buffer.from((await bench.lease()).notification.body).equals(body)).toBe(true);
    });

    it('hands out to a lease that was there before the notification', async () => {
      const bench = await openBench();
      const lease = bench.lease();
      await bench.put('alice1');
      expect(idOf(await lease)).toBe('alice1');
    });

    it('gives each delivery to one lease only, first come first served', async () => {
      const bench = await openBench();
      const leases = [bench.lease(), bench.lease(), bench.lease()];
      await bench.put('alice1', 'bob1', 'carol1');
      expect((await Promise.all(leases)).map(idOf)).toEqual(['alice1', 'bob1', 'carol1']);
    });

    it('counts each verdict where it belongs', async () => {
      const bench = await openBench();
      await bench.put('alice1', 'bob1', 'carol1');
      await bench.settle(await bench.lease(), delivered);
      expect(bench.entry()).toEqual({ accepted: 3, delivered: 1, dead: 0, dropped: 0 });
      await bench.settle(await bench.lease(), rejected);
      expect(bench.entry()).toEqual({ accepted: 3, delivered: 1, dead: 1, dropped: 0 });
      await bench.settle(await bench.lease(), retryAfter(1000));
      expect(bench.entry()).toEqual({ accepted: 3, delivered: 1, dead: 1, dropped: 0 });
      expect(bench.check()).toMatchObject({ waiting: 1, inFlight: 0 });
    });

    it('counts for the backend that made the notification', async () => {
      const bench = await openBench();
      await bench.write({ ...notification('alice1', 0), backend: 'alerts' });
      await bench.settle(await bench.lease(), delivered);
      expect(bench.ledger.entry('alerts')).toEqual({ accepted: 1, delivered: 1, dead: 0, dropped: 0 });
      expect(bench.entry().accepted).toBe(0);
    });

    it.each([delivered, rejected, retryAfter(1000)])(
      'settles once: again changes nothing (%o)',
      async (verdict) => {
        const bench = await openBench();
        await bench.put('alice1');
        const delivery = await bench.lease();
        await bench.settle(delivery, verdict);
        const entry = { ...bench.entry() };
        const counts = bench.check();
        await bench.settle(delivery, delivered);
        expect(bench.entry()).toEqual(entry);
        expect(bench.check()).toEqual(counts);
      },
    );

    it('says to the second how old the oldest is that is not settled, leased or not', async () => {
      const bench = await openBench();
      expect(bench.check().oldestAcceptedAtMs).toBeUndefined();
      const startMs = bench.clock.now();
      await bench.put('alice1');
      bench.advance(2000);
      await bench.put('bob1');
      const first = await bench.lease();
      expect(bench.check().oldestAcceptedAtMs).toBe(wholeSecond(startMs));
      await bench.settle(await bench.lease(), retryAfter(1000));
      await bench.settle(first, delivered);
      expect(bench.check().oldestAcceptedAtMs).toBe(wholeSecond(startMs + 2000));
    });
  });

  describe('a put', () => {
    it('says whether it was accepted or dropped', async () => {
      const bench = await openBench({ capacity: 1 });
      const put = (id: string) => bench.write(notification(id, bench.clock.now()));
      expect(await put('alice1')).toBe('accepted');
      expect(bench.outbox.hasRoom()).toBe(false);
      expect(await put('bob1')).toBe('dropped');
      bench.check();
    });
  });

  describe('a lease that is given back', () => {
    it('leaves its notification as if it had not been out', async () => {
      const bench = await openBench();
      await bench.put('alice1', 'alice2', 'bob1');
      const alice1 = await bench.lease();
      expect(await alice1.extend(1000)).toBe(true);
      expect(await alice1.giveBack()).toBe(true);
      expect(bench.check()).toMatchObject({ waiting: 3, inFlight: 0 });
      const again = await bench.lease();
      expect([idOf(again), again.attempts]).toEqual(['alice1', 0]);
      expect(idOf(await bench.lease())).toBe('bob1');
    });

    it('has ended: it settles nothing, and is not extended', async () => {
      const bench = await openBench();
      await bench.put('alice1');
      const lease = await bench.lease();
      await lease.giveBack();
      expect([await lease.settle(delivered), await lease.giveBack(), await lease.extend(1)]).toEqual([
        false,
        false,
        false,
      ]);
      expect(bench.check()).toMatchObject({ waiting: 1, inFlight: 0 });
    });

    it('keeps the attempts that were made, and is out before what came meanwhile', async () => {
      const bench = await openBench();
      await bench.put('alice1');
      await bench.settle(await bench.lease(), retryAfter(1000));
      const next = bench.lease();
      bench.advance(1000);
      await (await next).giveBack();
      await bench.put('bob1', 'alice2');
      const again = await bench.lease();
      expect([idOf(again), again.attempts]).toEqual(['alice1', 1]);
    });
  });

  describe('several leases of one call', () => {
    const ids = (leases: readonly Lease[]): string[] => leases.map(idOf);
    const several = (bench: Bench, most: number) =>
      within('several leases', bench.outbox.lease(most), () => bench.outbox.counts());

    it('are of one backend, each of another sender, and not more than were asked for', async () => {
      const bench = await openBench({ backends: ['chats', 'alerts'], workers: 8 });
      await bench.put('alice1', 'alice2', 'bob1', 'carol1/alerts', 'dave1', 'eve1');
      const leases = [await several(bench, 3), await several(bench, 3), await several(bench, 3)].map(ids);
      expect(leases).toEqual([['alice1', 'bob1', 'dave1'], ['carol1/alerts'], ['eve1']]);
      expect(bench.check()).toMatchObject({ waiting: 1, inFlight: 5 });
    });

    it('take one place together, until the first verdict on one of them', async () => {
      const bench = await openBench({ workers: 1 });
      await bench.put('a1', 'b1', 'c1', 'd1');
      const [a, b] = await several(bench, 2);
      const next = several(bench, 2);
      await nextTurn();
      expect(bench.check()).toMatchObject({ waiting: 2, inFlight: 2 });
      await a!.giveBack();
      await nextTurn();
      expect(bench.check()).toMatchObject({ waiting: 3, inFlight: 1 });
      await bench.settle(b!, delivered);
      expect(ids(await next)).toEqual(['a1', 'c1']);
    });

    it('have a verdict each', async () => {
      const bench = await openBench();
      await bench.put('a1', 'b1', 'c1');
      const [a, b, c] = await several(bench, 10);
      await bench.settle(a!, delivered);
      await bench.settle(b!, rejected);
      await bench.settle(c!, retryAfter(1000));
      expect(bench.entry()).toEqual({ accepted: 3, delivered: 1, dead: 1, dropped: 0 });
      expect(bench.check()).toMatchObject({ waiting: 1, inFlight: 0 });
    });
  });

  describe('a store', () => {
    it('can be asked how it is before it is started', async () => {
      const environment = new Environment(engine);
      const store = await environment.open(new Bench(environment));
      expect([store.whyUnready(), store.isStuck(), [...store.orphans()]]).toEqual([undefined, false, []]);
      expect(store.deadLetters()).toBe(0);
      await within(
        'the store to start',
        store.start(() => Promise.resolve()),
      );
      await environment.end();
    });
  });

  describe('a retry', () => {
    it('waits aside until it is due, and comes with one attempt more', async () => {
      const bench = await openBench();
      await bench.put('alice1');
      await bench.settle(await bench.lease(), retryAfter(1000));
      const lease = bench.lease();
      bench.advance(999);
      await bench.put('bob1');
      expect(idOf(await lease)).toBe('bob1');
      const next = bench.lease();
      bench.advance(1);
      const again = await next;
      expect(idOf(again)).toBe('alice1');
      expect(again.attempts).toBe(1);
      await bench.settle(again, retryAfter(5));
      bench.advance(5);
      expect((await bench.lease()).attempts).toBe(2);
    });

    it('comes when it is due, not when the machine clock says so', async () => {
      const bench = await openBench();
      await bench.put('alice1');
      await bench.settle(await bench.lease(), retryAfter(1000));
      bench.clock.now = () => 0;
      const lease = bench.lease();
      bench.advance(1000);
      expect(idOf(await lease)).toBe('alice1');
    });

    it('comes in the order in which retries are due', async () => {
      const bench = await openBench();
      const waits = new Map([
        ['a1', 700],
        ['b1', 30],
        ['c1', 500],
        ['d1', 30_000],
        ['e1', 1],
      ]);
      await bench.put(...waits.keys());
      for (const _ of waits) {
        const delivery = await bench.lease();
        await bench.settle(delivery, retryAfter(waits.get(idOf(delivery)) ?? 0));
      }
      const order: string[] = [];
      for (const ms of [1, 29, 470, 200, 29_300]) {
        const lease = bench.lease();
        bench.advance(ms);
        order.push(idOf(await lease));
      }
      expect(order).toEqual(['e1', 'b1', 'c1', 'a1', 'd1']);
    });

    it('that is due sooner than the one waited for is not late', async () => {
      const bench = await openBench({ retry: { order: 'none' } });
      await bench.put('alice1', 'bob1');
      const [alice, bob] = [await bench.lease(), await bench.lease()];
      await bench.settle(alice, retryAfter(5000));
      const leases = [bench.lease(), bench.lease()];
      await bench.settle(bob, retryAfter(10));
      bench.advance(10);
      expect(idOf(await leases[0]!)).toBe('bob1');
      bench.advance(4990);
      expect(idOf(await leases[1]!)).toBe('alice1');
    });
  });

  describe('order: sender', () => {
    it('keeps two of one sender from being out at a time, and lets others pass', async () => {
      const bench = await openBench();
      await bench.put('alice1', 'alice2', 'bob1');
      const alice1 = await bench.lease();
      expect(idOf(await bench.lease())).toBe('bob1');
      const lease = bench.lease();
      await bench.put('carol1');
      expect(idOf(await lease)).toBe('carol1');
      await bench.settle(alice1, delivered);
      expect(idOf(await bench.lease())).toBe('alice2');
    });

    it("lets a sender's next go on while one waits for its next attempt", async () => {
      const bench = await openBench();
      await bench.put('alice1', 'alice2');
      await bench.settle(await bench.lease(), retryAfter(1000));
      expect(idOf(await bench.lease())).toBe('alice2');
    });

    it('keeps a retry that is due back while another of its sender is out', async () => {
      const bench = await openBench();
      await bench.put('alice1', 'alice2', 'alice3');
      await bench.settle(await bench.lease(), retryAfter(1000));
      const alice2 = await bench.lease();
      bench.advance(1000);
      const lease = bench.lease();
      await bench.put('bob1');
      expect(idOf(await lease)).toBe('bob1');
      await bench.settle(alice2, delivered);
      expect(idOf(await bench.lease())).toBe('alice1');
    });
  });

  describe('order: none', () => {
    it('lets several of one sender be out at a time', async () => {
      const bench = await openBench({ retry: { order: 'none' } });
      await bench.put('alice1', 'alice2', 'alice3');
      const ids = [await bench.lease(), await bench.lease(), await bench.lease()].map(idOf);
      expect(ids).toEqual(['alice1', 'alice2', 'alice3']);
    });
  });

  describe('order: strict', () => {
    it("holds a sender's next back until the one before is settled for good", async () => {
      const bench = await openBench({ retry: { order: 'strict' } });
      await bench.put('alice1', 'alice2');
      await bench.settle(await bench.lease(), retryAfter(1000));
      const lease = bench.lease();
      await bench.put('bob1');
      expect(idOf(await lease)).toBe('bob1');
      const next = bench.lease();
      bench.advance(1000);
      const again = await next;
      expect(idOf(again)).toBe('alice1');
      await bench.settle(again, rejected);
      expect(idOf(await bench.lease())).toBe('alice2');
    });

    it('goes on at once if the one that held the others back is dropped', async () => {
      const bench = await openBench({
        retry: { order: 'strict' },
        capacity: 2,
        whenFull: 'drop_oldest',
      });
      await bench.put('alice1', 'alice2');
      await bench.settle(await bench.lease(), retryAfter(3_600_000));
      const lease = bench.lease();
      await bench.put('alice3');
      expect(bench.dropped).toEqual([{ id: 'alice1', reason: 'full' }]);
      expect(idOf(await lease)).toBe('alice2');
    });
  });

  describe('the backends of one pool', () => {
    const shared = { workers: 4, backends: ['chats', 'alerts'] };
    const busy: Attempt = { outcome: '5xx', status: 503, durationSeconds: 0 };
    const seconds = (count: number): Verdict => ({
      kind: 'retry',
      afterMs: 1000 * count,
      cause: 'retry-after',
      restMs: 1000 * count,
    });

    /** Three failures in a row, over a second. */
    async function breakDown(bench: Bench): Promise<void> {
      for (const id of ['ada1', 'bea1', 'cia1']) {
        await bench.put(id);
        await bench.settle(await bench.lease(), retryAfter(60_000), busy);
        bench.advance(500);
      }
    }

    it('leave half of the workers to others while nothing shows that they do not hang', async () => {
      const bench = await openBench(shared);
      await bench.put('a1', 'b1', 'c1', 'd1');
      const out = [await bench.lease(), await bench.lease()];
      const lease = bench.lease();
      await nextTurn();
      expect(bench.check()).toMatchObject({ waiting: 2, inFlight: 2 });
      await bench.put('e1/alerts');
      expect(idOf(await lease)).toBe('e1/alerts');
      const leases = [bench.lease(), bench.lease()];
      await bench.settle(out[0]!, delivered);
      expect((await Promise.all(leases)).map(idOf)).toEqual(['c1', 'd1']);
    });

    it('keep the order of a sender each for itself', async () => {
      const bench = await openBench({ ...shared, workers: 8 });
      await bench.put('alice1', 'alice2', 'alice3/alerts', 'alice4/alerts');
      expect([await bench.lease(), await bench.lease()].map(idOf).toSorted()).toEqual([
        'alice1',
        'alice3/alerts',
      ]);
      const lease = bench.lease();
      await nextTurn();
      expect(bench.check()).toMatchObject({ waiting: 2, inFlight: 2 });
      await bench.put('bob1');
      expect(idOf(await lease)).toBe('bob1');
    });

    it('rest each for itself, and then get one attempt, of the one that was told to wait', async () => {
      const bench = await openBench(shared);
      await bench.put('a1', 'b1');
      await bench.settle(await bench.lease(), seconds(2), busy);
      const lease = bench.lease();
      await bench.put('c1/alerts');
      expect(idOf(await lease)).toBe('c1/alerts');
      const next = [bench.lease(), bench.lease()];
      bench.advance(1999);
      await nextTurn();
      expect(bench.check()).toMatchObject({ waiting: 2, inFlight: 1 });
      bench.advance(1);
      const first = await next[0]!;
      expect(idOf(first)).toBe('a1');
      await nextTurn();
      expect(bench.check(), 'one attempt').toMatchObject({ waiting: 1, inFlight: 2 });
      await bench.settle(first, delivered);
      expect(idOf(await next[1]!)).toBe('b1');
    });

    it.each(['sender', 'none'] as const)(
      'have all that waits made due by the first success after an outage, the oldest first (order: %s)',
      async (order) => {
        const bench = await openBench({ ...shared, retry: { order } });
        await breakDown(bench);
        await bench.put('second1');
        const success = await bench.lease();
        expect(idOf(success)).toBe('second1');
        await bench.put('third1');
        await bench.settle(success, delivered);
        const ids: string[] = [];
        for (let count = 0; count < 4; count += 1) {
          const delivery = await bench.lease();
          ids.push(idOf(delivery));
          await bench.settle(delivery, delivered);
        }
        expect(ids).toEqual(['ada1', 'bea1', 'cia1', 'third1']);
      },
    );

    it('have the oldest one of a sender tried before its next while nothing gets through, and then the next', async () => {
      const bench = await openBench(shared);
      await bench.put('alice1');
      await bench.settle(await bench.lease(), retryAfter(60_000), busy);
      await breakDown(bench);
      bench.advance(1000);
      await bench.put('alice2');
      for (const id of ['alice1', 'alice2']) {
        const delivery = await bench.lease();
        expect(idOf(delivery)).toBe(id);
        await bench.settle(delivery, retryAfter(60_000), busy);
        bench.advance(1000);
      }
      const lease = bench.lease();
      await nextTurn();
      expect(bench.check().inFlight).toBe(0);
      await bench.put('bob1');
      expect(idOf(await lease)).toBe('bob1');
    });

    it('have one that was tried early and is given back after the outage come due with the others', async () => {
      const bench = await openBench(shared);
      await bench.put('alice1');
      await bench.settle(await bench.lease(), retryAfter(60_000), busy);
      await breakDown(bench);
      bench.advance(1000);
      await bench.put('alice2', 'bob1');
      const [early, success] = [await bench.lease(), await bench.lease()];
      expect([early, success].map(idOf)).toEqual(['alice1', 'bob1']);
      await bench.settle(success, delivered);
      expect(await early.giveBack()).toBe(true);
      expect(idOf(await bench.lease())).toBe('alice1');
    });

    it('with order: strict have the one that holds the others back tried when another one comes, while nothing gets through', async () => {
      const bench = await openBench({ ...shared, retry: { order: 'strict' } });
      await bench.put('alice1');
      await bench.settle(await bench.lease(), retryAfter(60_000), busy);
      await breakDown(bench);
      bench.advance(1000);
      await bench.put('alice2');
      const oldest = await bench.lease();
      expect(idOf(oldest)).toBe('alice1');
      await bench.settle(oldest, delivered);
      expect([idOf(await bench.lease())]).toEqual(['ada1']);
    });
  });

  describe('a full outbox', () => {
    it('with drop_newest drops what comes, says so and counts it', async () => {
      const bench = await openBench({ capacity: 2 });
      await bench.put('alice1', 'bob1', 'carol1');
      expect(bench.dropped).toEqual([{ id: 'carol1', reason: 'full' }]);
      expect(bench.entry()).toEqual({ accepted: 3, delivered: 0, dead: 0, dropped: 1 });
      expect(bench.check().waiting).toBe(2);
      expect([await bench.lease(), await bench.lease()].map(idOf)).toEqual(['alice1', 'bob1']);
    });

    it('with drop_oldest drops the oldest that waits, says so and counts it', async () => {
      const bench = await openBench({ capacity: 2, whenFull: 'drop_oldest' });
      await bench.put('alice1', 'bob1', 'carol1');
      expect(bench.dropped).toEqual([{ id: 'alice1', reason: 'full' }]);
      expect(bench.entry()).toEqual({ accepted: 3, delivered: 0, dead: 0, dropped: 1 });
      expect(bench.check().waiting).toBe(2);
      expect([await bench.lease(), await bench.lease()].map(idOf)).toEqual(['bob1', 'carol1']);
    });

    it('with drop_oldest never drops what is out', async () => {
      const bench = await openBench({ capacity: 1, whenFull: 'drop_oldest' });
      await bench.put('alice1');
      const alice = await bench.lease();
      await bench.put('bob1', 'carol1');
      expect(bench.dropped).toEqual([{ id: 'bob1', reason: 'full' }]);
      await bench.settle(alice, delivered);
      expect(idOf(await bench.lease())).toBe('carol1');
    });

    it('with drop_oldest drops a retry that waits aside, and it does not come again', async () => {
      const bench = await openBench({ capacity: 1, whenFull: 'drop_oldest' });
      await bench.put('alice1');
      await bench.settle(await bench.lease(), retryAfter(1000));
      await bench.put('bob1');
      expect(bench.dropped).toEqual([{ id: 'alice1', reason: 'full' }]);
      bench.advance(1000);
      expect(idOf(await bench.lease())).toBe('bob1');
      const lease = bench.lease();
      await bench.put('carol1');
      expect(idOf(await lease)).toBe('carol1');
    });

    it('takes notifications again once there is room', async () => {
      const bench = await openBench({ capacity: 1 });
      await bench.put('alice1', 'bob1');
      await bench.lease();
      await bench.put('carol1');
      expect(bench.dropped.map(({ id }) => id)).toEqual(['bob1']);
      expect(idOf(await bench.lease())).toBe('carol1');
    });

    it('never drops a retry, though it comes back to a full outbox', async () => {
      const bench = await openBench({ capacity: 1 });
      await bench.put('alice1');
      const alice = await bench.lease();
      await bench.put('bob1');
      await bench.settle(alice, retryAfter(1000));
      expect(bench.check().waiting).toBe(2);
      expect(bench.dropped).toEqual([]);
    });
  });

  describe('drained()', () => {
    it('resolves at once if there is nothing', async () => {
      const bench = await openBench();
      await bench.drained();
    });

    it('waits for what waits, for what is out and for what waits aside', async () => {
      const bench = await openBench();
      await bench.put('alice1');
      const events: string[] = [];
      const drained = bench.drained().then(() => events.push('drained'));
      const first = await bench.lease();
      events.push('leased');
      await bench.settle(first, retryAfter(1000));
      await nextTurn();
      events.push('aside');
      bench.advance(1000);
      const again = await bench.lease();
      await nextTurn();
      events.push('settled');
      await bench.settle(again, delivered);
      await drained;
      expect(events).toEqual(['leased', 'aside', 'settled', 'drained']);
    });

    it('resolves when the last one is dead, too', async () => {
      const bench = await openBench();
      await bench.put('alice1');
      const drained = Promise.all([bench.drained(), bench.drained()]);
      await bench.settle(await bench.lease(), rejected);
      await drained;
    });
  });

  describe('stopLeasing()', () => {
    it('ends the leases that wait and those to come with nothing', async () => {
      const bench = await openBench();
      const waiting = leaseOne(bench.outbox);
      bench.outbox.stopLeasing();
      expect(await waiting).toBeUndefined();
      expect(await leaseOne(bench.outbox)).toBeUndefined();
    });

    it('hands out nothing any more, neither what waits nor what becomes due', async () => {
      const bench = await openBench();
      await bench.put('alice1', 'bob1');
      await bench.settle(await bench.lease(), retryAfter(1000));
      bench.outbox.stopLeasing();
      bench.advance(1000);
      expect(await leaseOne(bench.outbox)).toBeUndefined();
      expect(bench.check()).toMatchObject({ waiting: 2, inFlight: 0 });
    });

    it('still takes notifications, and verdicts on what is out', async () => {
      const bench = await openBench();
      await bench.put('alice1');
      const alice = await bench.lease();
      bench.outbox.stopLeasing();
      await bench.put('bob1');
      await bench.settle(alice, delivered);
      expect(bench.entry()).toEqual({ accepted: 2, delivered: 1, dead: 0, dropped: 0 });
    });
  });

  describe('close()', () => {
    it('ends leases, and may be called twice', async () => {
      const bench = await openBench();
      const lease = leaseOne(bench.outbox);
      await bench.outbox.close();
      expect(await lease).toBeUndefined();
      await bench.outbox.close();
      expect(await leaseOne(bench.outbox)).toBeUndefined();
      bench.check();
    });

    it('leaves no timer behind', async () => {
      const environment = new Environment(engine);
      const bench = await openBench({}, environment);
      await bench.put('alice1');
      await bench.settle(await bench.lease(), retryAfter(1000));
      const lease = leaseOne(bench.outbox);
      await bench.end();
      await environment.end();
      await lease;
      expect(bench.clock.timers).toBe(0);
    });

    it.skipIf(keepsWhatIsLeft)(
      'drops and counts what it cannot keep: waiting, aside, out, and what comes too late',
      async () => {
        const bench = await openBench();
        await bench.put('alice1', 'bob1', 'carol1');
        await bench.settle(await bench.lease(), retryAfter(1000));
        const bob = await bench.lease();
        const drained = bench.drained();
        await bench.outbox.close();
        await drained;
        bench.check();
        await bench.settle(bob, delivered);
        await bench.put('dave1');
        expect(bench.dropped.map(({ id, reason }) => `${id} ${reason}`).toSorted()).toEqual([
          'alice1 stopped',
          'bob1 stopped',
          'carol1 stopped',
          'dave1 stopped',
        ]);
        expect(bench.entry()).toEqual({ accepted: 4, delivered: 0, dead: 0, dropped: 4 });
        expect(bench.check()).toEqual({
          waiting: 0,
          inFlight: 0,
          unwritten: 0,
          oldestAcceptedAtMs: undefined,
        });
      },
    );
  });

  describe.runIf(keepsWhatIsLeft)('opened again', () => {
    it('has what waited, what waited aside and what was out, accepted again', async () => {
      const bench = await openBench({}, new Environment(engine));
      await bench.put('alice1', 'bob1', 'carol1', 'dave1');
      await bench.settle(await bench.lease(), retryAfter(1000));
      await bench.settle(await bench.lease(), delivered);
      await bench.lease();
      await bench.reopen();
      expect(bench.entry()).toEqual({ accepted: 3, delivered: 0, dead: 0, dropped: 0 });
      expect(bench.check()).toMatchObject({ waiting: 3, inFlight: 0 });
      expect([await bench.lease(), await bench.lease()].map(idOf)).toEqual(['carol1', 'dave1']);
      const lease = bench.lease();
      bench.advance(1000);
      expect(await lease).toMatchObject({ notification: { id: 'alice1' }, attempts: 1 });
    });

    it("with order: strict still holds a sender's next back until the one before is settled", async () => {
      const bench = await openBench({ retry: { order: 'strict' } }, new Environment(engine));
      await bench.put('alice1', 'alice2', 'bob1');
      await bench.settle(await bench.lease(), retryAfter(1000));
      await bench.reopen();
      expect(idOf(await bench.lease())).toBe('bob1');
      const lease = bench.lease();
      bench.advance(1000);
      expect(idOf(await lease)).toBe('alice1');
    });

    it('takes no verdict on what was leased before, and loses nothing by it', async () => {
      const bench = await openBench({}, new Environment(engine));
      await bench.put('alice1');
      const before = await bench.lease();
      await bench.reopen();
      expect(await before.settle(delivered)).toBe(false);
      expect(idOf(await bench.lease())).toBe('alice1');
    });
  });

  it('enters puts in the order in which put was called, and counts those being written as taking room', async () => {
    const bench = await openBench({ capacity: 3, retry: { order: 'none' } });
    const ids = ['a1', 'b1', 'c1', 'd1'];
    await Promise.all(ids.map((id) => bench.write(notification(id, bench.clock.now()))));
    expect(bench.check().waiting).toBe(3);
    expect(bench.dropped).toEqual([{ id: 'd1', reason: 'full' }]);
    expect([await bench.lease(), await bench.lease(), await bench.lease()].map(idOf)).toEqual(
      ids.slice(0, 3),
    );
  });

  describe('under many workers', () => {
    it.each(['sender', 'strict', 'none'] as const)('keeps the promise of order: %s', async (order) => {
      const bench = await openBench({ retry: { order } });
      const senders = ['alice', 'bob', 'carol', 'dave', 'erin'];
      const perSender = 40;
      const attempts: string[] = [];
      const out = new Map<string, number>();
      let mostOutOfOne = 0;
      const work = async (): Promise<void> => {
        for (let delivery = await leaseOne(bench.outbox); delivery; delivery = await leaseOne(bench.outbox)) {
          const { id, sender } = delivery.notification;
          attempts.push(id);
          out.set(sender, (out.get(sender) ?? 0) + 1);
          mostOutOfOne = Math.max(mostOutOfOne, out.get(sender)!);
          for (let turns = (attempts.length * 7) % 3; turns >= 0; turns -= 1) await nextTurn();
          out.set(sender, out.get(sender)! - 1);
          const isDone = delivery.attempts >= (id.length + attempts.length) % 3;
          await bench.settle(delivery, isDone ? delivered : retryAfter(attempts.length % 17));
        }
      };
      const workers = Promise.all(Array.from({ length: 20 }, work));
      for (let number = 1; number <= perSender; number += 1) {
        await bench.put(...senders.map((sender) => `${sender}${number}`));
        if (number % 5 === 0) await nextTurn();
      }
      let isDrained = false;
      const drained = bench.drained(30_000).finally(() => {
        isDrained = true;
      });
      while (!isDrained) {
        await nextTurn();
        bench.advance(1);
      }
      await drained;
      bench.outbox.stopLeasing();
      await workers;

      const total = senders.length * perSender;
      expect(bench.entry()).toEqual({ accepted: total, delivered: total, dead: 0, dropped: 0 });
      for (const sender of senders) {
        const own = attempts.filter((id) => id.startsWith(sender));
        const expected = Array.from({ length: perSender }, (_, index) => `${sender}${index + 1}`);
        expect([...new Set(own)], 'first attempts in the order of put').toEqual(expected);
        const isOneByOne = own.every(
          (id, index) => index === 0 || own[index - 1] === id || own.indexOf(id) === index,
        );
        if (order === 'strict') expect(isOneByOne, 'nothing between two attempts of one').toBe(true);
      }
      if (order === 'none') expect(mostOutOfOne).toBeGreaterThan(1);
      else expect(mostOutOfOne).toBe(1);
    });
  });

  it('keeps every promise in every sequence of puts, leases, verdicts and waits', async () => {
    let environment = new Environment(engine);
    await fc.assert(
      fc.asyncProperty(
        anyOptions,
        fc.commands(keepsWhatIsLeft ? [...anyCommands, reopen] : anyCommands, {
          maxCommands: 60,
        }),
        async (options, commands) => {
          const { order, ...others } = options;
          const changes = { ...others, retry: { order }, backends: bothBackends };
          const real = await new LeasedBench(environment, changes).open();
          const model = new Model(options);
          try {
            await fc.asyncModelRun(() => ({ model, real }), commands);
            await finish(model, real);
          } catch (error) {
            await environment.end().catch(() => undefined);
            environment = new Environment(engine);
            throw error;
          }
          await real.end();
        },
      ),
      { numRuns: runs },
    );
    await environment.end();
  });
});

/** What the model knows of a notification. */
interface Item {
  readonly id: string;
  readonly backend: Backend;
  readonly sender: string;
  readonly acceptedAtMs: number;
  state: 'waiting' | 'aside' | 'out' | 'settled';
  /** Before it went out. */
  stateBefore: 'waiting' | 'aside';
  attempts: number;
  dueAtMs: number;
}

function noCounts() {
  return { accepted: 0, delivered: 0, dead: 0, dropped: 0 };
}

type Backend = (typeof bothBackends)[number];
const bothBackends = ['chats', 'alerts'] as const;

interface ModelOptions {
  readonly capacity: number;
  readonly whenFull: 'drop_newest' | 'drop_oldest';
  readonly order: DeliveryOrder;
  readonly workers: number;
}

/**
 * The contract as plainly as it can be said; items stand in the order in which they were put. How many may be out of one
 * backend is the state machine's, which has tests of its own.
 */
class Model {
  /** Of this run: what was left and what was put since. */
  items: Item[] = [];
  puts = 0;
  readonly counts = { chats: noCounts(), alerts: noCounts() };
  readonly #options: ModelOptions;
  #limits!: Record<Backend, RequestLimit>;
  lessees = 0;
  nowMs = 0;

  constructor(options: ModelOptions) {
    this.#options = options;
    this.#knowNothing();
  }

  #knowNothing(): void {
    const { workers } = this.#options;
    this.#limits = { chats: new RequestLimit(workers), alerts: new RequestLimit(workers) };
  }

  in(...states: readonly Item['state'][]): Item[] {
    return this.items.filter(({ state }) => states.includes(state));
  }

  /** Puts it; gives the one that has to be dropped for it. */
  put(made: Pick<Item, 'id' | 'backend' | 'sender' | 'acceptedAtMs'>): string | undefined {
    this.counts[made.backend].accepted += 1;
    this.puts += 1;
    const item: Item = { ...made, state: 'waiting', stateBefore: 'waiting', attempts: 0, dueAtMs: 0 };
    const waiting = this.in('waiting', 'aside');
    this.items.push(item);
    const isFull = waiting.length >= this.#options.capacity;
    const dropped = this.#options.whenFull === 'drop_newest' ? item : waiting[0]!;
    if (isFull) {
      dropped.state = 'settled';
      this.counts[dropped.backend].dropped += 1;
    }
    // While nothing gets through, whoever comes has the one before tried.
    const held = this.#of(item).find(({ state }) => state === 'aside');
    const isTried = this.#options.order === 'strict' && this.#limits[item.backend].isAway;
    if (isTried && held !== undefined && item.state === 'waiting') held.dueAtMs = this.nowMs;
    return isFull ? dropped.id : undefined;
  }

  /** Those of the same sender and backend. */
  #of({ sender, backend }: Item): Item[] {
    return this.items.filter((other) => other.sender === sender && other.backend === backend);
  }

  mayGoOut(item: Item): boolean {
    return this.#hasPlace(item.backend) && this.#hasTurn(item);
  }

  #hasPlace(backend: Backend): boolean {
    const { workers } = this.#options;
    const other = this.#limits[backend === 'chats' ? 'alerts' : 'chats'];
    const limit = this.#limits[backend];
    const left = workers - (other.mayHang(this.nowMs) ? other.taken(this.nowMs) : 0);
    const share = limit.mayHang(this.nowMs) ? Math.max(1, Math.floor(left / 2)) : workers;
    return limit.taken(this.nowMs) < limit.most(this.nowMs, share);
  }

  #hasTurn(item: Item): boolean {
    if (this.#isNext(item)) return true;
    // While nothing gets through, the turn of a sender's next one may be its oldest one's.
    const own = this.#of(item);
    if (this.#options.order !== 'sender' || !this.#limits[item.backend].isAway) return false;
    const isAside = ({ state, dueAtMs }: Item): boolean => state === 'aside' && dueAtMs > this.nowMs;
    if (item !== own.find(isAside)) return false;
    return own.slice(own.indexOf(item)).some((other) => this.#isNext(other));
  }

  #isNext(item: Item): boolean {
    const { order } = this.#options;
    if (item.state === 'aside' ? item.dueAtMs > this.nowMs : item.state !== 'waiting') return false;
    if (order === 'none') return true;
    const others = this.#of(item).filter((other) => other !== item);
    if (others.some(({ state }) => state === 'out')) return false;
    if (item.state === 'aside') return true;
    if (order === 'strict' && others.some(({ state }) => state === 'aside')) return false;
    return !others.some(
      (other) => other.state === 'waiting' && this.items.indexOf(other) < this.items.indexOf(item),
    );
  }

  handOut({ notification: { id }, attempts }: Lease): void {
    const item = this.items.find((known) => known.id === id);
    if (item === undefined) throw new Error(`${id} was never put`);
    if (!this.mayGoOut(item)) throw new Error(`${id} may not go out: ${JSON.stringify(this.items)}`);
    expect(attempts).toBe(item.attempts);
    item.stateBefore = item.state === 'aside' ? 'aside' : 'waiting';
    item.state = 'out';
    this.#limits[item.backend].began(this.nowMs);
    this.lessees -= 1;
  }

  /** What is not settled waits again; an attempt that nobody judged does not count. */
  reopen(): void {
    this.items = this.in('waiting', 'aside', 'out');
    for (const item of this.items) {
      if (item.state === 'out') item.state = item.attempts === 0 ? 'waiting' : 'aside';
    }
    for (const backend of bothBackends) {
      const accepted = this.items.filter((item) => item.backend === backend).length;
      this.counts[backend] = { ...noCounts(), accepted };
    }
    this.lessees = 0;
    this.#knowNothing();
  }

  giveBack(item: Item): void {
    item.state = item.stateBefore;
    this.#limits[item.backend].withdrawn();
  }

  settle(item: Item, verdict: Verdict, attempt: Attempt): void {
    const isOutageOver = this.#limits[item.backend].ended(verdict, attempt, this.nowMs);
    if (verdict.kind === 'retry') {
      item.attempts += 1;
      item.state = 'aside';
      item.dueAtMs = this.nowMs + verdict.afterMs;
    } else {
      item.state = 'settled';
      this.counts[item.backend][verdict.kind] += 1;
    }
    if (!isOutageOver) return;
    for (const other of this.items) if (other.backend === item.backend) other.dueAtMs = this.nowMs;
  }
}

/** A bench whose leases are taken in the background. */
class LeasedBench extends Bench {
  readonly out = new Map<string, Lease>();
  readonly #handedOut: Lease[] = [];
  #tell = (): void => undefined;
  ended = 0;

  ask(): void {
    void leaseOne(this.outbox).then((delivery) => {
      if (delivery === undefined) this.ended += 1;
      else {
        this.#handedOut.push(delivery);
        this.out.set(idOf(delivery), delivery);
      }
      this.#tell();
    });
  }

  takeHandedOut(): Lease | undefined {
    return this.#handedOut.shift();
  }

  async nextHandedOut(): Promise<Lease> {
    for (;;) {
      const delivery = this.#handedOut.shift();
      if (delivery !== undefined) return delivery;
      const told = new Promise<void>((resolve) => (this.#tell = resolve));
      await within('what may go out to be handed out', told, () => this.outbox.counts());
    }
  }
}

type Step = fc.AsyncCommand<Model, LeasedBench>;

/** After each step: who may go out goes out, nobody else does, and the books agree. */
async function reconcile(model: Model, real: LeasedBench): Promise<void> {
  while (model.lessees > 0 && model.items.some((item) => model.mayGoOut(item))) {
    model.handOut(await real.nextHandedOut());
  }
  await nextTurn();
  for (let more = real.takeHandedOut(); more !== undefined; more = real.takeHandedOut()) model.handOut(more);
  const left = model.in('waiting', 'aside', 'out');
  expect(real.check()).toEqual({
    waiting: model.in('waiting', 'aside').length,
    inFlight: model.in('out').length,
    unwritten: 0,
    oldestAcceptedAtMs: left[0] && wholeSecond(left[0].acceptedAtMs),
  });
  for (const backend of bothBackends) expect(real.entry(backend)).toEqual(model.counts[backend]);
}

class Put implements Step {
  readonly sender: string;
  readonly backend: Backend;

  constructor(sender: string, backend: Backend) {
    this.sender = sender;
    this.backend = backend;
  }

  check(): boolean {
    return true;
  }

  async run(model: Model, real: LeasedBench): Promise<void> {
    const { sender, backend } = this;
    const id = `${sender}${model.puts + 1}/${backend}`;
    const before = real.dropped.length;
    const dropped = model.put({ id, backend, sender, acceptedAtMs: real.clock.now() });
    await real.put(id);
    // What is not cached is read before it is told of.
    const expected = dropped === undefined ? [] : [{ id: dropped, reason: 'full' }];
    await expect.poll(() => real.dropped.slice(before), { interval: 1 }).toEqual(expected);
    await reconcile(model, real);
  }

  toString(): string {
    return `put(${this.sender}, ${this.backend})`;
  }
}

class Ask implements Step {
  check(): boolean {
    return true;
  }

  async run(model: Model, real: LeasedBench): Promise<void> {
    model.lessees += 1;
    real.ask();
    await reconcile(model, real);
  }

  toString(): string {
    return 'lease';
  }
}

class Settle implements Step {
  readonly nth: number;
  readonly verdict: Verdict;
  readonly attempt: Attempt;

  constructor(nth: number, verdict: Verdict, attempt: Attempt) {
    this.nth = nth;
    this.verdict = verdict;
    this.attempt = attempt;
  }

  check(model: Readonly<Model>): boolean {
    return model.in('out').length > 0;
  }

  async run(model: Model, real: LeasedBench): Promise<void> {
    const out = model.in('out');
    const item = out[this.nth % out.length]!;
    const delivery = real.out.get(item.id)!;
    real.out.delete(item.id);
    model.settle(item, this.verdict, this.attempt);
    await real.settle(delivery, this.verdict, this.attempt);
    await reconcile(model, real);
  }

  toString(): string {
    return `settle(${this.nth}, ${JSON.stringify(this.verdict)}, ${this.attempt.outcome})`;
  }
}

class GiveBack implements Step {
  readonly nth: number;

  constructor(nth: number) {
    this.nth = nth;
  }

  check(model: Readonly<Model>): boolean {
    return model.in('out').length > 0;
  }

  async run(model: Model, real: LeasedBench): Promise<void> {
    const out = model.in('out');
    const item = out[this.nth % out.length]!;
    const lease = real.out.get(item.id)!;
    real.out.delete(item.id);
    model.giveBack(item);
    expect(await within(`${item.id} to be given back`, lease.giveBack())).toBe(true);
    await reconcile(model, real);
  }

  toString(): string {
    return `giveBack(${this.nth})`;
  }
}

class Reopen implements Step {
  check(): boolean {
    return true;
  }

  async run(model: Model, real: LeasedBench): Promise<void> {
    const { lessees } = model;
    const before = real.ended;
    model.reopen();
    await real.reopen();
    await nextTurn();
    expect(real.ended - before, 'leases end with the outbox').toBe(lessees);
    real.ended = 0;
    real.out.clear();
    await reconcile(model, real);
  }

  toString(): string {
    return 'reopen';
  }
}

class Advance implements Step {
  readonly ms: number;

  constructor(ms: number) {
    this.ms = ms;
  }

  check(): boolean {
    return true;
  }

  async run(model: Model, real: LeasedBench): Promise<void> {
    model.nowMs += this.ms;
    real.advance(this.ms);
    await reconcile(model, real);
  }

  toString(): string {
    return `advance(${this.ms})`;
  }
}

const anyOptions = fc.record({
  capacity: fc.integer({ min: 1, max: 6 }),
  whenFull: fc.constantFrom('drop_newest', 'drop_oldest'),
  order: fc.constantFrom('sender', 'strict', 'none'),
  workers: fc.constantFrom(1, 2, 3, 8, 1000),
} as const);

const refused: Attempt = { outcome: 'refused', errorCode: 'ECONNREFUSED', durationSeconds: 0 };
const response = (outcome: Attempt['outcome']): Attempt => ({ outcome, durationSeconds: 0 });

const anyWait = fc.integer({ min: 1, max: 100 });

const anyEnd = fc.oneof(
  fc.constant([delivered, response('2xx')] as const),
  fc.constant([rejected, response('4xx')] as const),
  anyWait.map((ms) => [retryAfter(ms), response('5xx')] as const),
  anyWait.map((ms) => [retryAfter(ms), refused] as const),
  anyWait.map(
    (ms) => [{ kind: 'retry', afterMs: ms, cause: 'retry-after', restMs: ms }, response('4xx')] as const,
  ),
);

const anyCommands = [
  fc
    .tuple(fc.constantFrom('alice', 'bob', 'carol'), fc.constantFrom(...bothBackends))
    .map(([sender, backend]) => new Put(sender, backend)),
  fc.constant(new Ask()),
  fc.tuple(fc.nat(9), anyEnd).map(([nth, [verdict, attempt]]) => new Settle(nth, verdict, attempt)),
  fc.nat(9).map((nth) => new GiveBack(nth)),
  fc.oneof(fc.integer({ min: 1, max: 60 }), fc.constant(600)).map((ms) => new Advance(ms)),
];

const reopen = fc.constant(new Reopen());

/** Whatever is left can be delivered; then nothing is left, and nobody was forgotten. */
async function finish(model: Model, real: LeasedBench): Promise<void> {
  while (model.in('waiting', 'aside', 'out').length > 0) {
    await new Ask().run(model, real);
    await new Advance(100).run(model, real);
    while (model.in('out').length > 0) await new Settle(0, delivered, response('2xx')).run(model, real);
  }
  await real.drained();
  real.outbox.stopLeasing();
  await nextTurn();
  expect(real.ended).toBe(model.lessees);
  for (const backend of bothBackends) {
    const { accepted, delivered: done, dead, dropped } = real.entry(backend);
    expect(accepted).toBe(model.items.filter((item) => item.backend === backend).length);
    expect(done + dead + dropped).toBe(accepted);
  }
}
