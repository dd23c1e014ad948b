import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { PlainError } from '../../core/errors.ts';
import { META_PAGE_BYTES, type Meta, readMeta } from './page-format.ts';
import { cutOff, damaged, Trees } from './trees.ts';

/** Somebody else may write while the file is read, and then it is read again, so often at most. */
const MOST_TRIES = 5;
/** LMDB takes no other size of a page. */
const PAGE_SIZES = { least: 256, most: 65_536 } as const;
/** No machine of ours can map more, nor does a transaction take and give back more; in bytes. */
const MOST_MAPPED = 2 ** 46;
const MOST_UNWRITTEN = 2 ** 32;
/** The list of free pages has numbers as keys; beside that LMDB keeps there how its commits are flushed. */
const FREE_FLAGS = 8;
const FLUSH_FLAG = 0x1000;

/**
 * Reads a whole data.mdb and refuses one whose structure is not whole. LMDB looks at nothing of it before it is used, and
 * a damaged page ends the process with a signal, at once or when something is written. So this reads it as a file, without LMDB.
 * What it cannot see is another text where a text may be: LMDB keeps no sums.
 * @throws PlainError, NodeJS.ErrnoException
 */
export async function readThrough(path: string): Promise<void> {
  const file = openSync(path, 'r');
  try {
    for (let tries = 1; ; tries += 1) {
      const meta = newestMeta(file);
      try {
        await readTrees(file, meta);
        return;
      } catch (error) {
        if (tries === MOST_TRIES || newestMeta(file).transaction === meta.transaction) throw error;
      }
    }
  } finally {
    closeSync(file);
  }
}

/** Of the first two pages, the one with the later transaction counts. */
function newestMeta(file: number): Meta {
  const first = metaAt(file, 0);
  if (first === undefined) {
    throw new PlainError('data.mdb is no LMDB file; move it away, or set another path');
  }
  const { pageSize } = first;
  const isSize = (pageSize & (pageSize - 1)) === 0;
  if (!isSize || pageSize < PAGE_SIZES.least || pageSize > PAGE_SIZES.most) {
    throw damaged(0, `says that a page has ${pageSize} bytes`);
  }
  const second = metaAt(file, pageSize);
  if (second?.pageSize !== pageSize) throw damaged(1, 'does not say what the file holds');
  return second.transaction > first.transaction ? second : first;
}

/** Undefined if there is none. */
function metaAt(file: number, position: number): Meta | undefined {
  const page = Buffer.alloc(META_PAGE_BYTES);
  return readSync(file, page, { position }) < page.length ? undefined : readMeta(page);
}

async function readTrees(file: number, meta: Meta): Promise<void> {
  const { mapSize, lastPage, pageSize, free, tables } = meta;
  const { size } = fstatSync(file);
  const wholeSize = (lastPage + 1) * pageSize;
  // LMDB need not write pages at the end that were free again before their transaction ended.
  if (wholeSize > size + MOST_UNWRITTEN) throw cutOff(`it has ${size} of ${wholeSize} bytes`);
  if (
    mapSize < wholeSize ||
    mapSize > MOST_MAPPED ||
    (free.flags & ~FLUSH_FLAG) !== FREE_FLAGS ||
    tables.flags !== 0
  ) {
    throw damaged(0, 'or 1 says of the file what cannot be');
  }
  // Signals are seen meanwhile: a large file takes seconds.
  for (const _some of new Trees(file, meta).read()) await nextTurn();
}
