import type { Database as Table, RootDatabase } from 'lmdb';

/** So much is read, or changed in one transaction, at a time: a running sidecar waits no longer than for that. */
const MOST_AT_A_TIME = 1000;
const MOST_BYTES_AT_A_TIME = 4 * 1024 * 1024;

/** A table in pieces of bounded size, up to the key `last`; between them others may change it. */
export function* pagesOf<Key extends string | number>(
  root: RootDatabase,
  table: Table<string, Key>,
  last?: Key,
): Iterable<{ key: Key; value: string }[]> {
  let after: Key | undefined;
  do {
    // Not an older snapshot, and none that is held while others write.
    root.resetReadTxn();
    const page: { key: Key; value: string }[] = [];
    let bytes = 0;
    const start = after === undefined ? {} : { start: after, exclusiveStart: true };
    after = undefined;
    for (const { key, value } of table.getRange(start)) {
      if (last !== undefined && key > last) break;
      page.push({ key, value });
      bytes += value.length;
      if (page.length < MOST_AT_A_TIME && bytes < MOST_BYTES_AT_A_TIME) continue;
      after = key;
      break;
    }
    yield page;
  } while (after !== undefined);
}
