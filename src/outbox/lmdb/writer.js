// @ts-check
// The writer's thread: it alone waits for the disk, so that sockets are read and requests sent meanwhile.
import { parentPort, workerData } from 'node:worker_threads';
import { apply, openDatabase } from './database.js';

/** @typedef {import('./database.js').Operation} Operation */

const port = /** @type {import('node:worker_threads').MessagePort} */ (parentPort);
try {
  serve(openDatabase(/** @type {{ folder: string }} */ (workerData).folder));
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
 * Writes operations in one transaction; where that fails, each for itself, so that on a full disk what frees pages
 * still goes through.
 * @param {import('./database.js').Database} database
 * @param {Operation[]} operations
 * @returns {string[] | undefined} For each operation why it failed, or ''; undefined if none did.
 */
function write(database, operations) {
  const inTransaction = (/** @type {Operation[]} */ some) =>
    database.root.transactionSync(() => {
      for (const operation of some) apply(database, operation);
    });
  try {
    inTransaction(operations);
    return undefined;
  } catch {
    return operations.map((operation) => {
      try {
        inTransaction([operation]);
        return '';
      } catch (error) {
        return describe(error);
      }
    });
  }
}

/**
 * @param {unknown} error
 * @returns {string}
 */
function describe(error) {
  return error instanceof Error ? error.message : String(error);
}
