// @ts-check
// The writer's thread. Only it touches the database while a sidecar runs, because every touch may have to wait for the disk
// or for another process. Meanwhile the main thread serves its sockets. It responds in the order of the messages.
import { parentPort, workerData } from 'node:worker_threads';
import { apply, openDatabase } from './database.js';
import { DiskRoom, NO_ROOM } from './disk-room.js';
import { FileIdentity } from './file-identity.js';
import { isChange, take } from './operator-steps.js';

/**
 * @typedef {import('./database.js').Database} Database
 *
 * @typedef {import('./database.js').Operation} Operation
 *
 * @typedef {import('./writer-thread.ts').Look} Look
 *
 * @typedef {import('./writer-thread.ts').Message} Message
 *
 * @typedef {import('./writer-thread.ts').Response} Response
 *
 * @typedef {import('./writer-thread.ts').TextsRead} TextsRead
 *
 * @typedef {Pick<Response, 'failures' | 'read' | 'taken' | 'look' | 'error'>} Said
 */

/** Room counts only if a large notification fits, so that the next one is not refused at once. */
const LARGE_BYTES = 64 * 1024;
/** So much text goes into one response, or a single one that is larger. */
const MOST_BYTES_READ = 2 * 1024 * 1024;
/** So many letters to be redelivered are handed over at a time. */
const MOST_REDELIVERIES = 1000;
/** What LMDB says of a page that is not what it should be. */
const DAMAGE = /MDB_(CORRUPTED|PAGE_NOTFOUND|INVALID)/;
/** Readers that were killed are looked for so often, in milliseconds. */
const READER_CHECK_MS = 60_000;

/** What the thread does for each message. */
class Writer {
  /** @type {Database} */
  #database;
  /** @type {DiskRoom} */
  #room;
  /** @type {import('./file-identity.js').FileIdentity} */
  #files;
  /** @type {import('./disk-room.js').Way<Operation>} */
  #way;
  /**
   * What could not be written, and how many bytes it had. It is over once as much was written. What takes no room, such as
   * ends of notifications, shows nothing.
   * @type {{ problem: string, bytes: number } | undefined}
   */
  #trouble;
  #nextReaderCheckMs = 0;
  /** The `webhook-id` from which letters to be redelivered are handed over next. */
  #redeliveriesFrom = '';
  #deadLetters = 0;

  /**
   * @param {string} folder
   * @param {Database} database
   * @param {import('./file-identity.js').FileIdentity} files
   */
  constructor(folder, database, files) {
    this.#database = database;
    this.#files = files;
    this.#room = new DiskRoom(folder, database);
    this.#way = { bytes: bytesOf, change: (operations) => apply(database, operations) };
  }

  /**
   * @param {Message} message
   * @returns {Response}
   */
  respond(message) {
    const { root, letters } = this.#database;
    const said = this.#try(() => {
      // Other processes write, too: an older snapshot must not be read, nor one be held while nothing is read.
      root.resetReadTxn();
      return this.#do(message);
    });
    this.#try(() => {
      this.#deadLetters = /** @type {{ entryCount: number }} */ (letters.getStats()).entryCount;
      root.resetReadTxn();
      return {};
    });
    const problem = this.#files.problem() ?? this.#trouble?.problem;
    return { ...said, deadLetters: this.#deadLetters, problem };
  }

  /** @returns {Promise<void>} */
  close() {
    this.#room.close();
    return this.#database.root.close();
  }

  /**
   * @param {() => Said} todo
   * @returns {Said}
   */
  #try(todo) {
    try {
      return todo();
    } catch (error) {
      return { error: this.#enter(describe(error), LARGE_BYTES) };
    }
  }

  /**
   * @param {Message} message
   * @returns {Said}
   */
  #do(message) {
    switch (message.do) {
      case 'write':
        return { failures: this.#write(message.operations) };
      case 'read':
        return { read: this.#read(message.keys) };
      case 'step':
        return { taken: this.#take(message.step) };
      case 'check':
        this.#check();
        return {};
      default:
        return { look: this.#look() };
    }
  }

  /**
   * Writes operations in one transaction. Without room for that, first those that end something, and then as many of the
   * others as fit.
   * @param {readonly Operation[]} operations
   * @returns {string[] | undefined} For each operation why it failed, or ''; undefined if none did.
   */
  #write(operations) {
    const gone = this.#files.problem();
    if (gone !== undefined) return operations.map(() => gone);
    try {
      if (this.#room.write(operations, this.#way)) return this.#written(operations);
      const ends = operations.filter((operation) => bytesOf(operation) === 0);
      const others = operations.filter((operation) => bytesOf(operation) > 0);
      const refused = [ends, others].flatMap((some) => this.#room.writeInPortions(some, this.#way));
      if (refused.length === 0) return this.#written(operations);
      this.#enter(NO_ROOM, largest(refused));
      const isRefused = new Set(refused);
      return operations.map((operation) => (isRefused.has(operation) ? NO_ROOM : ''));
    } catch (error) {
      const problem = this.#enter(describe(error), largest(operations));
      return operations.map(() => problem);
    }
  }

  /**
   * @param {readonly Operation[]} operations
   * @returns {string[] | undefined}
   */
  #written(operations) {
    if (this.#trouble !== undefined && largest(operations) >= this.#trouble.bytes) this.#trouble = undefined;
    const gone = this.#files.problem();
    return gone === undefined ? undefined : operations.map(() => gone);
  }

  /**
   * @param {string} problem
   * @param {number} bytes
   * @returns {string}
   */
  #enter(problem, bytes) {
    this.#trouble = { problem, bytes: Math.max(bytes, this.#trouble?.bytes ?? 1) };
    return problem;
  }

  /**
   * @param {readonly number[]} keys
   * @returns {TextsRead}
   */
  #read(keys) {
    /** @type {TextsRead} */
    const read = [];
    let bytes = 0;
    for (const key of keys) {
      try {
        const text = this.#database.notifications.get(key);
        bytes += text?.length ?? 0;
        if (bytes > MOST_BYTES_READ && read.length > 0) break;
        read.push(text);
      } catch (error) {
        // Not the fault of this record: no other could be read either, and it may be over soon.
        if (!DAMAGE.test(describe(error))) throw error;
        read.push({ error: describe(error) });
      }
    }
    return read;
  }

  /**
   * @param {import('./operator-steps.js').Step} step
   * @returns {import('./operator-steps.js').StepResult}
   */
  #take(step) {
    const gone = this.#files.problem();
    if (gone !== undefined && isChange(step)) throw new Error(gone);
    return take(this.#database, this.#room, step);
  }

  /**
   * Looks whether it can be written, and for readers that were killed.
   * @returns {void}
   */
  #check() {
    this.#tryToWrite();
    if (performance.now() < this.#nextReaderCheckMs) return;
    this.#database.root.readerCheck();
    this.#nextReaderCheckMs = performance.now() + READER_CHECK_MS;
  }

  /** @returns {Look} */
  #look() {
    this.#check();
    const { meta } = this.#database;
    return { erasures: meta.get('erasures') ?? 0, redeliveries: this.#nextRedeliveries() };
  }

  /**
   * Those after the last ones, and at the end from the first again. So letters that find no room do not stop the others.
   * @returns {string[]}
   */
  #nextRedeliveries() {
    const letters = [];
    let bytes = 0;
    const range = { start: this.#redeliveriesFrom, limit: MOST_REDELIVERIES + 1 };
    this.#redeliveriesFrom = '';
    for (const { key, value } of this.#database.redeliveries.getRange(range)) {
      bytes += value.length;
      if (letters.length === MOST_REDELIVERIES || (bytes > MOST_BYTES_READ && letters.length > 0)) {
        this.#redeliveriesFrom = key;
        break;
      }
      letters.push(value);
    }
    return letters;
  }

  /** Whether a large notification could be written; after a failure, something is. */
  #tryToWrite() {
    if (this.#files.problem() !== undefined) return;
    const { root, meta } = this.#database;
    const bytes = Math.max(LARGE_BYTES, this.#trouble?.bytes ?? 0);
    try {
      const isRoom = root.transactionSync(() => {
        if (!this.#room.isFor(1, bytes)) return false;
        if (this.#trouble !== undefined) meta.putSync('probe', Date.now());
        return true;
      });
      if (isRoom) this.#trouble = undefined;
      else this.#enter(NO_ROOM, bytes);
    } catch (error) {
      this.#enter(describe(error), bytes);
    }
  }
}

/**
 * The bytes of the operation that adds most.
 * @param {readonly Operation[]} operations
 * @returns {number}
 */
function largest(operations) {
  return operations.reduce((most, operation) => Math.max(most, bytesOf(operation)), 0);
}

/**
 * Bytes that an operation adds; 0 if it adds none for long.
 * @param {Operation} operation
 * @returns {number}
 */
function bytesOf(operation) {
  if (operation.do === 'add') return Buffer.byteLength(operation.notification) + operation.summary.length;
  return operation.do === 'bury' ? Buffer.byteLength(operation.letter) : 0;
}

/**
 * @param {unknown} error
 * @returns {string}
 */
function describe(error) {
  return error instanceof Error ? error.message : String(error);
}

/**
 * @param {Database} database
 * @returns {void}
 */
function serve(database) {
  const writer = new Writer(folder, database, new FileIdentity(folder));
  port.on('message', (/** @type {Message | 'close'} */ message) => {
    if (message === 'close') void writer.close().finally(() => port.close());
    else port.postMessage(writer.respond(message));
  });
  port.postMessage(writer.respond({ do: 'check' }));
}

const { folder } = /** @type {{ folder: string }} */ (workerData);
const port = /** @type {import('node:worker_threads').MessagePort} */ (parentPort);
try {
  serve(openDatabase(folder));
} catch (error) {
  port.postMessage({ problem: error instanceof Error ? error.message : String(error) });
}
