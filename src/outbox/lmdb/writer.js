// @ts-check
// The writer's thread: it alone waits for the disk, so that sockets are read and requests sent meanwhile.
import { parentPort, workerData } from 'node:worker_threads';
import { apply, openDatabase } from './database.js';
import { DiskRoom, NO_ROOM } from './disk-room.js';

/** @typedef {import('./database.js').Operation} Operation */

/** It shows that there is room again: for a large notification, so that the next one is not refused at once. */
const PROBE_BYTES = 64 * 1024;

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
  const room = new DiskRoom(folder, database);
  /** @type {import('./disk-room.js').Way<Operation>} */
  const way = { bytes: bytesOf, change: (operations) => apply(database, operations) };
  port.on('message', (/** @type {Operation[] | 'close'} */ message) => {
    if (message === 'close') {
      room.close();
      void database.root.close().finally(() => port.close());
    } else port.postMessage({ failures: write(room, message, way) });
  });
  port.postMessage({ opened: true });
}

/**
 * Writes operations in one transaction; where there is no room for that, those that end something.
 * @param {DiskRoom} room
 * @param {Operation[]} operations
 * @param {import('./disk-room.js').Way<Operation>} way
 * @returns {string[] | undefined} For each operation why it failed, or ''; undefined if none did.
 */
function write(room, operations, way) {
  try {
    if (room.write(operations, way)) return undefined;
    const ends = operations.filter((operation) => bytesOf(operation) === 0);
    const refused = new Set(room.writeInPortions(ends, way));
    return operations.map((operation) => (bytesOf(operation) > 0 || refused.has(operation) ? NO_ROOM : ''));
  } catch (error) {
    return operations.map(() => describe(error));
  }
}

/**
 * Bytes that an operation adds; 0 if it adds none for long.
 * @param {Operation} operation
 * @returns {number}
 */
function bytesOf(operation) {
  if (operation.do === 'add') return Buffer.byteLength(operation.notification) + operation.summary.length;
  if (operation.do === 'bury') return Buffer.byteLength(operation.letter);
  return operation.do === 'probe' ? PROBE_BYTES : 0;
}

/**
 * @param {unknown} error
 * @returns {string}
 */
function describe(error) {
  return error instanceof Error ? error.message : String(error);
}
