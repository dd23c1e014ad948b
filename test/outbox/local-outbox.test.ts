import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { Notification } from '../../src/core/delivery.ts';
import { notification as anyNotification } from '../support/notification.ts';
import { Ledger } from '../../src/core/ledger.ts';
import type { Observation } from '../../src/core/observation.ts';
import type { DeliveryOrder } from '../../src/core/retry-policy.ts';
import { LocalOutbox } from '../../src/outbox/local/local-outbox.ts';
import type { Records } from '../../src/outbox/records.ts';
import { leaseOne, outboxOptions } from '../support/outbox.ts';
import { ManualClock } from '../support/clock.ts';
import { expectLedgerBalanced } from '../support/ledger.ts';

/** Records that answer when the test says so, and how. */
class HeldRecords implements Records {
  readonly keepsWhatIsLeft = true;
  readonly cachedBytes = 0;
  readonly stored = new Map<number, Notification>();
  readonly held: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];
  #lastKey = 0;

  async add(notification: Notification): Promise<number> {
    this.#lastKey += 1;
    const key = this.#lastKey;
    await this.#hold();
    this.stored.set(key, notification);
    return key;
  }

  read(keys: readonly number[]): Promise<readonly (Notification | Error)[]> {
    return Promise.resolve(keys.map((key) => this.stored.get(key) ?? new Error('gone')));
  }

  postpone(): Promise<void> {
    return this.#hold();
  }

  remove(): Promise<void> {
    return this.#hold();
  }

  bury(): Promise<void> {
    return this.#hold();
  }

  #hold(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.held.push({ resolve, reject });
    });
  }
}

function openBench(capacity = 10, order: DeliveryOrder = 'none') {
  const records = new HeldRecords();
  const ledger = new Ledger();
  const observed: Observation[] = [];
  const outbox = new LocalOutbox(records, outboxOptions({ capacity, retry: { order } }), {
    clock: new ManualClock(),
    ledger,
    observe: (observation) => void observed.push(observation),
  });
  const check = () => {
    expectLedgerBalanced(ledger, outbox.counts());
    return outbox.counts();
  };
  return { records, ledger, observed, outbox, check };
}

const notification = (id: string): Notification => anyNotification({ id });

it('counts and observes what cannot be written, and takes the next', async () => {
  const { outbox, records, ledger, observed, check } = openBench();
  const puts = [outbox.put(notification('1')), outbox.put(notification('2'))];
  const full = new Error('no space left on device');
  records.held[0]!.reject(full);
  records.held[1]!.resolve();
  await Promise.all(puts);
  expect(ledger.entry('chats')).toMatchObject({ accepted: 2, dropped: 1 });
  expect(observed.filter(({ kind }) => kind !== 'notification-accepted')).toEqual([
    { kind: 'internal-error', where: 'outbox', error: full },
    { kind: 'notification-dropped', notification: notification('1'), reason: 'unwritable' },
  ]);
  expect(check().waiting).toBe(1);
});

it('changes the counts only when a verdict is written, and takes no second one meanwhile', async () => {
  const { outbox, records, ledger, check } = openBench();
  const put = outbox.put(notification('1'));
  records.held[0]!.resolve();
  await put;
  const delivery = (await leaseOne(outbox))!;
  const settled = delivery.settle({ kind: 'delivered' });
  expect(await delivery.settle({ kind: 'dead', reason: 'rejected' })).toBe(false);
  expect(check()).toMatchObject({ waiting: 1, inFlight: 0 });
  expect(ledger.entry('chats').delivered).toBe(0);
  records.held[1]!.reject(new Error('read-only'));
  expect(await settled).toBe(true);
  expect(check()).toMatchObject({ waiting: 0, inFlight: 0 });
  expect(ledger.entry('chats')).toMatchObject({ delivered: 1, dead: 0 });
});

it('is closed only when all that is being written is', async () => {
  const { outbox, records, check } = openBench();
  const put = outbox.put(notification('1'));
  let isClosed = false;
  const closed = outbox.close().then(() => {
    isClosed = true;
  });
  await nextTurn();
  expect(isClosed).toBe(false);
  records.held[0]!.resolve();
  await Promise.all([put, closed]);
  expect(check().waiting).toBe(1);
});

it("hands out a sender's next while the end of the one before is being written", async () => {
  const { outbox, records } = openBench(10, 'sender');
  const puts = [outbox.put(notification('1')), outbox.put(notification('2'))];
  for (const { resolve } of records.held) resolve();
  await Promise.all(puts);
  void (await leaseOne(outbox))!.settle({ kind: 'delivered' });
  expect((await leaseOne(outbox))?.notification.id).toBe('2');
});

it('drops and counts what cannot be read any more, and hands out the next', async () => {
  const { outbox, records, ledger, check } = openBench();
  const puts = [outbox.put(notification('1')), outbox.put(notification('2'))];
  for (const { resolve } of records.held) resolve();
  await Promise.all(puts);
  records.stored.delete(1);
  expect((await leaseOne(outbox))?.notification.id).toBe('2');
  expect(ledger.entry('chats').dropped).toBe(1);
  expect(check()).toMatchObject({ waiting: 0, inFlight: 1 });
});
