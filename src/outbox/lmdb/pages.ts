import type { Database as Table, RootDatabase } from 'lmdb';
import { allSignals, undisturbed } from './undisturbed.ts';

/** So much is read, or changed in one transaction, at a time: a running sidecar waits no longer than for that. */
export const MOST_AT_A_TIME = 500;
const MOST_BYTES_AT_A_TIME = 4 * 1024 * 1024;

/** An entry of a table. */
export interface Row<Key> {
  readonly key: Key;
  readonly value: string;
}

/**
 * A table in pieces of bounded size, up to the key `last`; between them others may change it. No snapshot is left in
 * between, whatever ends the process: the file would grow for as long as LMDB keeps one.
 */
export async function* pagesOf<Key extends string | number>(
  root: RootDatabase,
  table: Table<string, Key>,
  last?: Key,
): AsyncIterable<Row<Key>[]> {
  let after: Key | undefined;
  do {
    const from = after;
    const { page, isFull } = await reading(root, () => pageAfter(table, from, last));
    after = isFull ? page.at(-1)?.key : undefined;
    yield page;
  } while (after !== undefined);
}

/** Reads something of what is there now, and lets go of the snapshot that it took for that. */
export function reading<T>(root: RootDatabase, read: () => T): Promise<T> {
  return undisturbed(allSignals, () => {
    root.resetReadTxn();
    try {
      return read();
    } finally {
      root.resetReadTxn();
    }
  });
}

function pageAfter<Key extends string | number>(
  table: Table<string, Key>,
  after: Key | undefined,
  last: Key | undefined,
): { page: Row<Key>[]; isFull: boolean } {
  const page: Row<Key>[] = [];
  let bytes = 0;
  const start = after === undefined ? {} : { start: after, exclusiveStart: true };
  for (const { key, value } of table.getRange(start)) {
    if (last !== undefined && key > last) break;
    page.push({ key, value });
    bytes += value.length;
    if (page.length >= MOST_AT_A_TIME || bytes >= MOST_BYTES_AT_A_TIME) return { page, isFull: true };
  }
  return { page, isFull: false };
}
