import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import type { Notification } from '../../src/core/delivery.ts';
import { notification as anyNotification } from '../support/notification.ts';
import { Ledger } from '../../src/core/ledger.ts';
import type { DeliveryOrder } from '../../src/core/retry-policy.ts';
import { leaseOne, memoryOutbox, outboxOptions } from '../support/outbox.ts';
import { ManualClock } from '../support/clock.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const notificationOf = (index: number): Notification =>
  anyNotification({ id: `${index}`, body: Buffer.alloc(10_000, 'x').toString() });

it.each<DeliveryOrder>(['sender', 'strict', 'none'])(
  'keeps nothing of what a full outbox dropped, in order %s, while the sender waits for a response',
  async (order) => {
    const outbox = await memoryOutbox(
      outboxOptions({ capacity: 10, whenFull: 'drop_oldest', retry: { order } }),
      { clock: new ManualClock(), observe: () => undefined, ledger: new Ledger() },
    );
    await outbox.put(notificationOf(0));
    const leased = await leaseOne(outbox);
    collectGarbage();
    const before = process.memoryUsage().heapUsed;
    for (let index = 1; index <= 10_000; index += 1) await outbox.put(notificationOf(index));
    collectGarbage();
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(20_000_000);
    expect(outbox.counts()).toMatchObject({ waiting: 10, inFlight: 1 });
    expect(leased?.notification.id).toBe('0');
  },
);
