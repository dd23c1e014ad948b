/**
 * Puts notifications into an LMDB outbox as fast as it can until it is killed from outside, and says on stdout what has
 * become of each, in a single write and only when it is so: `+id` accepted, `?id` about to be settled, `-id` delivered,
 * `=id` dead; before that `#` and its process number. Parameters: the folder, a prefix for the ids, and the share of the accepted ones that it settles.
 */
import { writeSync } from 'node:fs';
import { Ledger } from '../../dist/core/ledger.js';
import { engines } from '../../dist/outbox/engines/index.js';
import { systemClock as clock } from '../../dist/node/clock.js';

const WRITERS = 10;
const [folder = '', prefix = '', share = '0'] = process.argv.slice(2);
const store = await engines.lmdb
  .with({ folder })
  .open({ deadLetterCapacity: 1_000_000 }, { clock, observe: () => undefined, ledger: new Ledger() });
const outbox = store.outbox({
  pool: 'http_pool',
  capacity: 1_000_000,
  whenFull: 'drop_newest',
  workers: WRITERS,
  backends: ['chats'],
  retry: { firstDelayMs: 1000, maxDelayMs: 600_000, maxAgeMs: 86_400_000, order: 'sender', statuses: [] },
});
await store.start(() => Promise.resolve());

/** Says it at once, so that what was said is what was so. */
function say(text) {
  for (;;) {
    try {
      writeSync(1, `${text}\n`);
      return;
    } catch (error) {
      // Whoever reads is slower: it is all of the line or nothing.
      if (error.code !== 'EAGAIN') throw error;
    }
  }
}

let count = 0;
let toBeSettled = 0;
say(`#${process.pid}`);

async function put(writer) {
  for (;;) {
    count += 1;
    const id = `${prefix}-${count}`;
    await outbox.put({
      id,
      backend: 'chats',
      pool: 'http_pool',
      sender: `${writer}@example.com`,
      receiver: 'bob@example.com',
      host: 'example.com',
      path: '',
      headers: {},
      body: id.padEnd(200 + 37 * (count % 300), '.'),
      acceptedAtMs: clock.now(),
    });
    say(`+${id}`);
    toBeSettled += Number(share);
    while (toBeSettled >= 1) {
      toBeSettled -= 1;
      await settle((await outbox.lease(1))[0]);
    }
  }
}

/** Of ten, two are tried again before they are delivered, and one is dead. */
async function settle(delivery) {
  const { id } = delivery.notification;
  const digit = Number(id.at(-1));
  say(`?${id}`);
  if (digit < 2 && delivery.attempts === 0) await delivery.settle({ kind: 'retry', afterMs: 10 });
  else if (digit < 9) await delivery.settle({ kind: 'delivered' }).then(() => say(`-${id}`));
  else await delivery.settle({ kind: 'dead', reason: 'rejected' }).then(() => say(`=${id}`));
}

for (let writer = 0; writer < WRITERS; writer += 1) void put(writer);
