// @ts-check
// The writer's thread: it alone touches the database while a sidecar runs, because every touch may have to wait, for the
// disk or for another process; so sockets are read and requests sent meanwhile. It responds in the order of the messages.
import { parentPort, workerData } from 'node:worker_threads';
import { openDatabase } from './database.js';
import { Desk } from './desk.js';
import { FileIdentity } from './file-identity.js';

/** @typedef {import('./thread.ts').Message} Message */

const { folder } = /** @type {{ folder: string }} */ (workerData);
const port = /** @type {import('node:worker_threads').MessagePort} */ (parentPort);
try {
  serve(openDatabase(folder));
} catch (error) {
  port.postMessage({ problem: error instanceof Error ? error.message : String(error) });
}

/**
 * @param {import('./database.js').Database} database
 * @returns {void}
 */
function serve(database) {
  const desk = new Desk(folder, database, new FileIdentity(folder));
  port.on('message', (/** @type {Message | 'close'} */ message) => {
    if (message === 'close') void desk.close().finally(() => port.close());
    else port.postMessage(desk.respond(message));
  });
  port.postMessage(desk.respond({ do: 'check' }));
}
