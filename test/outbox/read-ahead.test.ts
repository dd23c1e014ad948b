import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { type Notification, roughBytes } from '../../src/core/delivery.ts';
import { Ledger } from '../../src/core/ledger.ts';
import type { DeliveryOrder } from '../../src/core/retry-policy.ts';
import { LocalOutbox } from '../../src/outbox/local/local-outbox.ts';
import { RunningOperator } from '../../src/outbox/local/running-operator.ts';
import type { Records } from '../../src/outbox/records.ts';
import { leaseOne, memoryStore, outboxOptions } from '../support/outbox.ts';
import { ManualClock } from '../support/clock.ts';
import { expectLedgerBalanced } from '../support/ledger.ts';
import { notification as anyNotification } from '../support/notification.ts';

const BYTES_AT_A_TIME = 2 * 1024 * 1024;

/** Records that an earlier run left, read when the test lets them be. */
class LeftRecords implements Records {
  readonly keepsWhatIsLeft = true;
  readonly cachedBytes = 100_000;
  readonly readings: (readonly number[])[] = [];
  isHeld = false;
  isBroken = false;
  #onRelease: (() => void)[] = [];
  readonly #bodyLength: number;

  constructor(bodyLength: number) {
    this.#bodyLength = bodyLength;
  }

  notificationOf(key: number): Notification {
    return anyNotification({ id: String(key), body: 'x'.repeat(this.#bodyLength) });
  }

  async read(keys: readonly number[]): Promise<readonly Notification[]> {
    this.readings.push(keys);
    if (this.isHeld) await new Promise<void>((resolve) => void this.#onRelease.push(resolve));
    if (this.isBroken) throw new Error('the disk is away');
    const most = Math.max(1, Math.floor(BYTES_AT_A_TIME / (1000 + this.#bodyLength)));
    return keys.slice(0, most).map((key) => this.notificationOf(key));
  }

  release(): void {
    this.isHeld = false;
    for (const resolve of this.#onRelease.splice(0)) resolve();
  }

  add(): Promise<number> {
    return Promise.resolve(1_000_000);
  }

  postpone = () => Promise.resolve();
  remove = () => Promise.resolve();
  bury = () => Promise.resolve();
}

interface BenchOptions {
  readonly left: number;
  readonly senders?: number;
  readonly order?: DeliveryOrder;
  readonly bodyLength?: number;
}

function openBench({ left, senders = 100, order = 'sender', bodyLength = 100 }: BenchOptions) {
  const records = new LeftRecords(bodyLength);
  const ledger = new Ledger();
  const clock = new ManualClock();
  const outbox = new LocalOutbox(records, outboxOptions({ capacity: 10_000, retry: { order } }), {
    clock,
    ledger,
    observe: () => undefined,
  });
  for (let key = 1; key <= left; key += 1) {
    const sender = `${key % senders}@example.com`;
    outbox.restore({ key, backend: 'chats', sender, acceptedAtSeconds: 1, attempts: 0 }, 0);
  }
  onTestFinished(() => outbox.close());
  const check = () => {
    expectLedgerBalanced(ledger, outbox.counts());
    return outbox.counts();
  };
  return { records, outbox, clock, ledger, check };
}

/** Takes all that is left, some at a time, and settles it. */
async function drain(outbox: LocalOutbox, total: number, workers: number): Promise<string[]> {
  const ids: string[] = [];
  const work = async (): Promise<void> => {
    for (let one = await leaseOne(outbox); one !== undefined; one = await leaseOne(outbox)) {
      ids.push(one.notification.id);
      await nextTurn();
      await one.settle({ kind: 'delivered' });
      if (ids.length === total) outbox.stopLeasing();
    }
  };
  await Promise.all(Array.from({ length: workers }, work));
  return ids;
}

it.each([
  ['of many senders', 100, 'sender'],
  ['of one sender', 1, 'sender'],
  ['of one sender, in strict order', 1, 'strict'],
  ['in no order', 100, 'none'],
] as const)('reads a backlog hundreds at a time, and each record once: %s', async (_what, senders, order) => {
  const { records, outbox } = openBench({ left: 3000, senders, order });
  const ids = await drain(outbox, 3000, 10);
  expect(new Set(ids).size).toBe(3000);
  if (senders === 1) expect(ids).toEqual(Array.from({ length: 3000 }, (_, index) => String(index + 1)));
  expect(records.readings.flat()).toHaveLength(3000);
  expect(records.readings.length).toBeLessThan(30);
});

it('reads on before what was read is used up', async () => {
  const { records, outbox } = openBench({ left: 3000 });
  await (await leaseOne(outbox))!.settle({ kind: 'delivered' });
  records.isHeld = true;
  // With the first one 500 were read: half of them go out before more is asked for, and the other half meanwhile.
  for (let count = 1; count <= 500; count += 1) {
    await (await leaseOne(outbox))!.settle({ kind: 'delivered' });
  }
  expect(records.readings).toHaveLength(2);
});

it('holds no more of it in memory than some megabytes, and a megabyte more for each that goes out', async () => {
  const { records, outbox } = openBench({ left: 300, senders: 300, bodyLength: 1_000_000 });
  const notifications = new Set<Notification>();
  const { notificationOf } = records;
  records.notificationOf = function (key) {
    const notification = notificationOf.call(this, key);
    notifications.add(notification);
    return notification;
  };
  for (let count = 1; count <= 5; count += 1) expect(await leaseOne(outbox)).toBeDefined();
  const bytes = [...notifications].reduce((sum, one) => sum + roughBytes(one), 0);
  expect(bytes).toBeLessThan(5_000_000 + 3 * BYTES_AT_A_TIME + 4 * 1024 ** 2);
});

it('lets what was read be forgotten when it has to wait for another attempt, so that reading goes on', async () => {
  const { records, outbox, check } = openBench({ left: 3000, senders: 3000, bodyLength: 10_000 });
  for (let count = 1; count <= 3000; count += 1) {
    await (await leaseOne(outbox))!.settle({ kind: 'retry', afterMs: 1e6, cause: 'back-off' });
  }
  expect(check()).toMatchObject({ waiting: 3000, inFlight: 0 });
  expect(records.readings.length).toBeLessThan(100);
});

it('goes on handing out what is cached while something is being read', async () => {
  const { records, outbox } = openBench({ left: 1 });
  records.isHeld = true;
  const leases = [leaseOne(outbox), leaseOne(outbox)];
  await outbox.put(anyNotification({ id: 'new', sender: 'zoe@example.com' }));
  expect((await leases[1])?.notification.id).toBe('new');
  records.release();
  expect((await leases[0])?.notification.id).toBe('1');
});

it('counts what is being read as waiting, and leaves it so when leasing is stopped meanwhile', async () => {
  const { records, outbox, check } = openBench({ left: 2 });
  records.isHeld = true;
  const leases = [leaseOne(outbox), leaseOne(outbox)];
  expect(check()).toMatchObject({ waiting: 2, inFlight: 0 });
  outbox.stopLeasing();
  expect(await Promise.all(leases)).toEqual([undefined, undefined]);
  records.release();
  await nextTurn();
  expect(check()).toMatchObject({ waiting: 2, inFlight: 0 });
});

it('drops nothing while nothing can be read, and tries again', async () => {
  const { records, outbox, clock, check } = openBench({ left: 2 });
  records.isBroken = true;
  const lease = leaseOne(outbox);
  await nextTurn();
  clock.advance(1000);
  await nextTurn();
  expect(records.readings.length).toBe(2);
  expect(check()).toMatchObject({ waiting: 2, inFlight: 0 });
  records.isBroken = false;
  clock.advance(1000);
  expect((await lease)?.notification.id).toBe('1');
});

it('is told of a retry that is due while all workers wait for records, without turning in circles', async () => {
  const { records, outbox, clock } = openBench({ left: 2 });
  await (await leaseOne(outbox))!.settle({ kind: 'retry', afterMs: 10, cause: 'back-off' });
  outbox.forgetAll();
  records.isHeld = true;
  const lease = leaseOne(outbox);
  clock.advance(100);
  records.release();
  expect((await lease)?.notification.id).toBe('2');
});

it('does not let an operator take what cannot be read now for nothing', async () => {
  const { records, outbox, clock, ledger } = openBench({ left: 3 });
  const { operator: noLetters } = await memoryStore({ clock, ledger, observe: () => undefined });
  const operator = new RunningOperator(() => [['http_pool', outbox]], noLetters);
  records.isBroken = true;
  const unreadable = /what waits for the pool http_pool cannot be read now/;
  await expect(operator.erase('1@example.com')).rejects.toThrow(unreadable);
  await expect(operator.findWaiting('1')).rejects.toThrow(unreadable);
  await expect(operator.dropWaiting({ choice: {} })).rejects.toThrow(unreadable);
  records.isBroken = false;
  expect(await operator.findWaiting('1')).toMatchObject({ facts: { id: '1' } });
});

it('reads nothing for what an operator drops', async () => {
  const { records, outbox, check } = openBench({ left: 3 });
  await Promise.all([...outbox.entries()].map((entry) => outbox.drop(entry)));
  expect(check().waiting).toBe(0);
  expect(records.readings).toEqual([]);
});
