// @ts-check
// JavaScript, because the writer's thread must be able to load it as it is: Node 20 runs no TypeScript.
import { open } from 'lmdb';

/** The form in which everything is stored; counted up when an older version could not read it. */
export const FORMAT = 1;

/**
 * @typedef {{ accepted: number, delivered: number, dead: number, dropped: number }} Counts
 * What became of a backend's notifications since the folder was made.
 *
 * @typedef {[pool: string, backend: string]} LedgerKey
 *
 * @typedef {| { do: 'add', key: number, ledger: LedgerKey, summary: string, notification: string }
 *   | { do: 'postpone', key: number, summary: string }
 *   | { do: 'remove', key: number, ledger: LedgerKey, end: 'delivered' | 'dropped' }
 *   | { do: 'bury', key: number | undefined, ledger: LedgerKey, id: string, letter: string, capacity: number }
 *   | { do: 'redelivered', id: string }
 *   | { do: 'correct', ledger: LedgerKey, accepted: number }} Operation
 * A change; `key` undefined: of a letter that never was a record.
 *
 * @typedef {ReturnType<typeof openDatabase>} Database
 */

/**
 * Opens the database of a folder. Records are in two tables with one key, so that a start reads the summaries of a
 * million records and not their bodies.
 * @param {string} folder
 * @param {{ readOnly?: boolean }} [options]
 */
export function openDatabase(folder, options = {}) {
  try {
    // Without overlapping flushes a commit is on disk when it is done, and a full disk is an error that can be caught.
    const root = open({ path: folder, noSubdir: false, maxDbs: 12, overlappingSync: false, ...options });
    return { root, ...openTables(root) };
  } catch (error) {
    // A read that failed may leave a timer of lmdb's (3.5.6) that throws; the error that is thrown here says more.
    process.once('uncaughtException', () => undefined);
    throw error;
  }
}

/** @param {import('lmdb').RootDatabase} root */
function openTables(root) {
  const text = /** @type {const} */ ({ encoding: 'string' });
  return {
    meta: /** @type {import('lmdb').Database<number, string>} */ (root.openDB('meta', {})),
    /** `socket`: the name of the owner's socket in the folder. */
    owner: /** @type {import('lmdb').Database<string, string>} */ (root.openDB('owner', text)),
    /** By key: a summary as JSON, `[pool, backend, sender, acceptedAtMs, attempts, dueAtMs, lastAttempt?]`. */
    summaries: /** @type {import('lmdb').Database<string, number>} */ (root.openDB('summaries', text)),
    /** By key: a notification as JSON. */
    notifications: /** @type {import('lmdb').Database<string, number>} */ (
      root.openDB('notifications', text)
    ),
    ledger: /** @type {import('lmdb').Database<Counts, LedgerKey>} */ (root.openDB('ledger', {})),
    /** By number, in the order in which they died: a dead letter as JSON. */
    letters: /** @type {import('lmdb').Database<string, number>} */ (root.openDB('letters', text)),
    /** By webhook-id: the number of its dead letter. */
    letterNumbers: /** @type {import('lmdb').Database<number, string>} */ (root.openDB('letter-numbers', {})),
    /** By webhook-id: dead letters that an operator wants delivered again. */
    redeliveries: /** @type {import('lmdb').Database<string, string>} */ (root.openDB('redeliveries', text)),
  };
}

/**
 * The last key of a table, 0 if it is empty.
 * @param {import('lmdb').Database<unknown, number>} table
 * @returns {number}
 */
export function lastKey(table) {
  const [last = 0] = table.getKeys({ reverse: true, limit: 1 });
  return last;
}

/**
 * What operations change in the ledger. Those that are counted under one key are written once.
 *
 * @typedef {Map<LedgerKey, Partial<Counts>>} LedgerChanges
 */

/**
 * Makes changes, within a transaction: records, dead letters and ledger change together or not at all.
 * @param {Database} database
 * @param {readonly Operation[]} operations
 * @returns {void}
 */
export function apply(database, operations) {
  /** @type {LedgerChanges} */
  const changes = new Map();
  for (const operation of operations) change(database, operation, changes);
  for (const [key, more] of changes) count(database, key, more);
}

/**
 * @param {Database} database
 * @param {Operation} operation
 * @param {LedgerChanges} changes
 * @returns {void}
 */
function change(database, operation, changes) {
  const { summaries, notifications, redeliveries } = database;
  switch (operation.do) {
    case 'add':
      summaries.putSync(operation.key, operation.summary);
      notifications.putSync(operation.key, operation.notification);
      return note(changes, operation.ledger, 'accepted', 1);
    case 'postpone':
      if (summaries.doesExist(operation.key)) summaries.putSync(operation.key, operation.summary);
      return;
    case 'remove':
      // An operator may have removed it already, and counted that.
      if (!summaries.removeSync(operation.key)) return;
      notifications.removeSync(operation.key);
      return note(changes, operation.ledger, operation.end, 1);
    case 'bury':
      return bury(database, operation, changes);
    case 'redelivered':
      redeliveries.removeSync(operation.id);
      return;
    case 'correct':
      return note(changes, operation.ledger, 'accepted', operation.accepted);
    default:
      throw new Error('no such operation');
  }
}

/**
 * @param {Database} database
 * @param {Extract<Operation, { do: 'bury' }>} operation
 * @param {LedgerChanges} changes
 * @returns {void}
 */
function bury(database, { key, ledger, id, letter, capacity }, changes) {
  const { summaries, notifications, letters, letterNumbers } = database;
  if (key !== undefined && !summaries.removeSync(key)) return;
  if (key === undefined) note(changes, ledger, 'accepted', 1);
  else notifications.removeSync(key);
  note(changes, ledger, 'dead', 1);
  const former = letterNumbers.get(id);
  if (former !== undefined) letters.removeSync(former);
  const number = lastKey(letters) + 1;
  letters.putSync(number, letter);
  letterNumbers.putSync(id, number);
  const { entryCount } = /** @type {{ entryCount: number }} */ (letters.getStats());
  if (entryCount <= capacity) return;
  const oldest = [...letters.getRange({ limit: entryCount - capacity })];
  for (const { key: oldNumber, value } of oldest) dropLetter(database, oldNumber, value);
}

/**
 * @param {Database} database
 * @param {number} number
 * @param {string} letter
 * @returns {void}
 */
export function dropLetter({ letters, letterNumbers }, number, letter) {
  letters.removeSync(number);
  const id = idOf(letter);
  if (id !== undefined) letterNumbers.removeSync(id);
}

/**
 * Undefined if the letter cannot be read: its text is damaged, and that must not keep others from being written.
 * @param {string} letter
 * @returns {string | undefined}
 */
function idOf(letter) {
  try {
    return JSON.parse(letter).notification.id;
  } catch {
    return undefined;
  }
}

/**
 * @param {LedgerChanges} changes
 * @param {LedgerKey} key
 * @param {keyof Counts} state
 * @param {number} more
 * @returns {void}
 */
function note(changes, key, state, more) {
  let counts = changes.get(key);
  if (counts === undefined) changes.set(key, (counts = {}));
  counts[state] = (counts[state] ?? 0) + more;
}

/**
 * @param {Database} database
 * @param {LedgerKey} key
 * @param {Partial<Counts>} more
 * @returns {void}
 */
function count({ ledger }, key, more) {
  const { accepted = 0, delivered = 0, dead = 0, dropped = 0 } = ledger.get(key) ?? {};
  ledger.putSync(key, {
    accepted: accepted + (more.accepted ?? 0),
    delivered: delivered + (more.delivered ?? 0),
    dead: dead + (more.dead ?? 0),
    dropped: dropped + (more.dropped ?? 0),
  });
}
