// @ts-check
import { closeSync, fstatSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/**
 * @typedef {import('./database.js').Database} Database
 *
 * @typedef {Record<'lastPageNumber' | 'pageSize' | 'treeBranchPageCount' | 'treeLeafPageCount' | 'overflowPages', number>} PageCounts
 */

/**
 * How items are changed, within a transaction, and the bytes that one takes; 0 if it takes none for long.
 *
 * @template Item
 * @typedef {{ bytes: (item: Item) => number, change: (items: readonly Item[]) => void }} Way
 */

export const NO_ROOM = 'no space left on device (the disk is full: make room)';

/** Pages that are allocated behind what is used, for what makes room: ends of notifications. */
const RESERVE = 256;
/** So many pages at least are allocated at once, so that it is seldom. */
const STEP = 256;
/** Pages that a change copies at most: a leaf of two tables, and a branch above each. */
const COPIED = 4;
/** Pages that a transaction takes beside: for the ledger, and for the list of free pages. */
const BESIDE = 32;

/**
 * Has the disk allocate the blocks that a transaction may need before LMDB writes to them. When a write of LMDB's own finds
 * no room, it may corrupt the memory of the process (lmdb 3.5.6, `mdb_page_flush`).
 */
export class DiskRoom {
  /** @type {Database} */
  #database;
  /** @type {string} */
  #path;
  /** @type {number | undefined} */
  #file;
  /** Bytes of the file; others make it longer too, nobody shorter. */
  #size = 0;

  /**
   * @param {string} folder
   * @param {Database} database
   */
  constructor(folder, database) {
    this.#database = database;
    this.#path = join(folder, 'data.mdb');
  }

  /**
   * Changes items in one transaction, if there is room for it.
   * @template Item
   * @param {readonly Item[]} items
   * @param {Way<Item>} way
   * @returns {boolean} Whether there was.
   */
  write(items, { bytes, change }) {
    return this.#database.root.transactionSync(() => {
      const sum = items.reduce((total, item) => total + bytes(item), 0);
      const isRoom = this.isFor(items.length, sum);
      if (isRoom) change(items);
      return isRoom;
    });
  }

  /**
   * Changes items in as few transactions as there is room for, and leaves out those for which there is none.
   * @template Item
   * @param {readonly Item[]} items
   * @param {Way<Item>} way
   * @returns {readonly Item[]} Those for which there is none.
   */
  writeInPortions(items, way) {
    /** @type {(typeof items)[number][]} */
    const refused = [];
    let left = items;
    for (let portion = left.length; left.length > 0; portion = Math.min(portion, left.length)) {
      if (this.write(left.slice(0, portion), way)) left = left.slice(portion);
      else if (portion > 1) portion = Math.ceil(portion / 2);
      else {
        const bytes = way.bytes(/** @type {(typeof items)[number]} */ (left[0]));
        // None that is as large needs to be tried.
        refused.push(...left.filter((item) => way.bytes(item) >= bytes));
        left = left.filter((item) => way.bytes(item) < bytes);
        portion = left.length;
      }
    }
    return refused;
  }

  /**
   * Whether there is room for changes that take so many bytes. To be asked within their transaction: then nobody else
   * takes it.
   * @param {number} changes
   * @param {number} bytes
   * @returns {boolean}
   */
  isFor(changes, bytes) {
    const { lastPageNumber, pageSize } = pageCounts(this.#database.root);
    const used = lastPageNumber + 1;
    // A page is copied once in a transaction. What is large begins on a page of its own, the rest may fill half of one.
    const needed = BESIDE + Math.min(COPIED * changes, used) + Math.ceil((2 * bytes) / pageSize);
    this.#allocate((used + needed + RESERVE) * pageSize, STEP * pageSize);
    const left = this.#size / pageSize - used - needed;
    if (left >= (bytes === 0 ? 0 : RESERVE)) return true;
    // Free pages may be too scattered for a value that takes several in a row: that must fit behind them, too.
    return (left >= 0 || bytes === 0) && RESERVE / 2 + 4 * needed < this.#freeInside();
  }

  /** @returns {void} */
  close() {
    if (this.#file !== undefined) closeSync(this.#file);
  }

  /**
   * Makes the file longer with zeros that are really written: only then a full disk or a quota is an error here.
   * @param {number} size
   * @param {number} step
   * @returns {void}
   */
  #allocate(size, step) {
    if (this.#size >= size) return;
    this.#file ??= openSync(this.#path, 'r+');
    this.#size = fstatSync(this.#file).size;
    if (this.#size >= size) return;
    // A killed reader would keep the free pages inside from being used, and the file would grow without end.
    this.#database.root.readerCheck();
    const zeros = Buffer.alloc(step);
    try {
      while (this.#size < size) this.#size += writeSync(this.#file, zeros, 0, step, this.#size);
    } catch (error) {
      const { code } = /** @type {NodeJS.ErrnoException} */ (error);
      if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error;
    }
  }

  /**
   * Pages that hold nothing any more.
   * @returns {number}
   */
  #freeInside() {
    const { root, ...tables } = this.#database;
    let free = pageCounts(root).lastPageNumber + 1;
    for (const table of Object.values(tables)) {
      const { treeBranchPageCount, treeLeafPageCount, overflowPages } = pageCounts(table);
      free -= treeBranchPageCount + treeLeafPageCount + overflowPages;
    }
    return free;
  }
}

/**
 * @param {import('lmdb').Database} table
 * @returns {PageCounts}
 */
function pageCounts(table) {
  return /** @type {PageCounts} */ (table.getStats());
}
