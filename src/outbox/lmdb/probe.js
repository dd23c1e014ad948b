// @ts-check
// Reads a whole database in a process of its own, which a file that was cut off ends with a signal.
import { ABORT } from 'lmdb';
import { openDatabase } from './database.js';

const { root, ...tables } = openDatabase(process.argv[2] ?? '');
for (const table of Object.values(tables)) {
  for (const { value } of /** @type {import('lmdb').Database<unknown, string>} */ (table).getRange())
    void value;
}
// Nothing is changed by it, but what is free is looked up.
root.transactionSync(() => {
  tables.meta.putSync('probe', 0);
  return ABORT;
});
await root.close();
