/**
 * Uses an outbox folder as a sidecar does, once: reads all that is there, ends what waits in each possible way, adds something and
 * closes. Says on stdout `used` and how many waited; or on stderr why the folder is refused, and ends with 1. Parameter:
 * the folder.
 */
import { randomUUID } from 'node:crypto';
import { Ledger } from '../../dist/core/ledger.js';
import { engines } from '../../dist/outbox/engines/index.js';
import { systemClock } from '../../dist/node/clock.js';

const [folder = ''] = process.argv.slice(2);
// What another process has put aside is due.
const clock = { ...systemClock, now: () => Date.now() + 3_600_000 };

try {
  const waiting = await use();
  process.stdout.write(`used ${waiting}\n`);
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}

async function use() {
  const store = await engines.lmdb
    .with({ folder })
    .open({ deadLetterCapacity: 500 }, { clock, observe: () => undefined, ledger: new Ledger() });
  const outbox = store.outbox({
    pool: 'http_pool',
    capacity: 1_000_000,
    whenFull: 'drop_newest',
    workers: 10,
    backends: ['chats'],
    retry: { firstDelayMs: 1000, maxDelayMs: 600_000, maxAgeMs: 86_400_000, order: 'none', statuses: [] },
  });
  await store.start(() => Promise.resolve());
  const { waiting } = outbox.counts();
  const ends = [];
  for (let index = 0; outbox.counts().waiting > 0; index += 1) {
    // One that cannot be read is dropped, and then there may be none.
    const leases = await Promise.race([outbox.lease(1), outbox.drained()]);
    const delivery = leases?.[0];
    if (delivery === undefined) break;
    if (index % 100 === 0) ends.push(outbox.put({ ...delivery.notification, id: randomUUID(), body: 'x' }));
    const verdict = index % 3 === 0 ? { kind: 'dead', reason: 'rejected' } : { kind: 'delivered' };
    ends.push(delivery.settle(verdict));
  }
  await Promise.all(ends);
  await outbox.close();
  await store.close();
  const operator = await engines.lmdb.with({ folder }).openBeside('write');
  for await (const page of operator.dead({})) {
    for (const { notification } of page) await operator.findDead(notification.id);
  }
  for await (const page of operator.waiting({})) {
    for (const { id } of page) await operator.findWaiting(id);
  }
  await operator.erase('bob@example.com');
  await operator.dropDead({ choice: {} });
  await operator.close();
  return waiting;
}
