// @ts-check
// The writer's thread: it alone waits for the disk, so that sockets are read and requests sent meanwhile.
import { statfsSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { apply, openDatabase } from './database.js';

/**
 * @typedef {import('./database.js').Operation} Operation
 *
 * @typedef {Record<'lastPageNumber' | 'pageSize' | 'treeBranchPageCount' | 'treeLeafPageCount' | 'overflowPages', number>} PageCounts
 */

const DISK_FULL = 'no space left on device (the disk is full: make room)';
/** Left free for what makes room: ends of notifications. */
const RESERVE_BYTES = 1024 * 1024;
/** In UTF-8, and as much again for pages that are copied to be changed. */
const BYTES_A_CHARACTER = 6;

const { folder } = /** @type {{ folder: string }} */ (workerData);
const port = /** @type {import('node:worker_threads').MessagePort} */ (parentPort);
try {
  serve(openDatabase(folder));
} catch (error) {
  port.postMessage({ problem: describe(error) });
}

/**
 * @param {import('./database.js').Database} database
 * @returns {void}
 */
function serve(database) {
  port.on('message', (/** @type {Operation[] | 'close'} */ message) => {
    if (message === 'close') void database.root.close().finally(() => port.close());
    else port.postMessage({ failures: write(database, message) });
  });
  port.postMessage({ opened: true });
}

/**
 * Writes operations in one transaction. What takes room is refused before the disk is full, because LMDB's own way to
 * fail then may corrupt the memory of the process (lmdb 3.5.6: several pages of 20 kB, then one more try).
 * @param {import('./database.js').Database} database
 * @param {Operation[]} operations
 * @returns {string[] | undefined} For each operation why it failed, or ''; undefined if none did.
 */
function write(database, operations) {
  const needed = operations.reduce((sum, operation) => sum + roomFor(operation), 0);
  const isRoom = needed === 0 || isRoomFor(database, needed);
  const written = isRoom ? operations : operations.filter((operation) => roomFor(operation) === 0);
  try {
    if (written.length > 0) {
      database.root.transactionSync(() => apply(database, written));
    }
    return isRoom ? undefined : operations.map((operation) => (roomFor(operation) === 0 ? '' : DISK_FULL));
  } catch (error) {
    return operations.map(() => describe(error));
  }
}

/**
 * Bytes on disk that an operation may take, at most; 0 if it takes none for long.
 * @param {Operation} operation
 * @returns {number}
 */
function roomFor(operation) {
  if (operation.do === 'add') return BYTES_A_CHARACTER * operation.notification.length;
  if (operation.do === 'bury') return BYTES_A_CHARACTER * operation.letter.length;
  return operation.do === 'probe' ? 1 : 0;
}

/**
 * Looks into the file only when the disk alone has not enough.
 * @param {import('./database.js').Database} database
 * @param {number} needed
 * @returns {boolean}
 */
function isRoomFor(database, needed) {
  const { bavail, bsize } = statfsSync(folder);
  const onDisk = Math.max(0, bavail * bsize - RESERVE_BYTES);
  return needed < onDisk || needed < onDisk + roomInside(database);
}

/**
 * Half of what the file has in pages that hold nothing any more; they may lie too scattered to use all.
 * @param {import('./database.js').Database} database
 * @returns {number}
 */
function roomInside({ root, ...tables }) {
  const { lastPageNumber, pageSize } = /** @type {PageCounts} */ (root.getStats());
  let used = 0;
  for (const table of Object.values(tables)) {
    const counts = /** @type {PageCounts} */ (table.getStats());
    used += counts.treeBranchPageCount + counts.treeLeafPageCount + counts.overflowPages;
  }
  return ((lastPageNumber - used) * pageSize) / 2;
}

/**
 * @param {unknown} error
 * @returns {string}
 */
function describe(error) {
  return error instanceof Error ? error.message : String(error);
}
