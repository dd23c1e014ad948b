/** Puts notifications into an LMDB outbox as fast as it can, and says the id of each once it is safe; killed from outside. */
import { writeSync } from 'node:fs';
import { Ledger } from '../../dist/core/ledger.js';
import { engines } from '../../dist/outbox/engines/index.js';
import { systemClock as clock } from '../../dist/system-clock.js';

const [folder, round] = process.argv.slice(2);
const outbox = await engines.lmdb(
  { pool: 'http_pool', folder, capacity: 1_000_000, whenFull: 'drop_newest', order: 'sender' },
  { clock, observe: () => undefined, ledger: new Ledger() },
);
let count = 0;
const write = async (writer) => {
  for (;;) {
    count += 1;
    const id = `${round}-${count}`;
    await outbox.put({
      id,
      backend: 'chats',
      pool: 'http_pool',
      sender: `${writer}@example.com`,
      host: 'example.com',
      path: '',
      headers: {},
      body: id,
      acceptedAtMs: clock.now(),
    });
    // At once, so that what was said is what was safe.
    writeSync(1, `${id}\n`);
  }
};
for (let writer = 0; writer < 10; writer += 1) void write(writer);
