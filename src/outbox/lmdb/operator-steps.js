// @ts-check
// What operators ask and change, one bounded step at a time, so that nobody waits long for it. JavaScript, because the
// writer's thread loads it as it is; a command beside it does the same steps.
import { apply, dropLetter, lastKey } from './database.js';
import { NO_ROOM } from './disk-room.js';

/**
 * @typedef {import('./database.js').Database} Database
 *
 * @typedef {import('./disk-room.js').DiskRoom} DiskRoom
 *
 * @typedef {'letters' | 'redeliveries' | 'notifications'} TableName
 *
 * @typedef {'redeliver' | 'drop'} Fate
 * What becomes of letters: delivered again by the sidecar that runs or the next one, or gone.
 *
 * @typedef {{ readonly key: number | string, readonly value: string, readonly summary?: string | undefined }} Row
 * An entry of a table; of a notification also the summary of its record.
 *
 * @typedef {| { do: 'page', table: TableName, after?: number | string | undefined, last?: number | undefined,
 *       including?: string | undefined }
 *   | { do: 'last-letter' }
 *   | { do: 'letter', id: string }
 *   | { do: 'unknown-letters', ids: readonly string[] }
 *   | { do: 'settle', ids: readonly string[], fate: Fate }
 *   | { do: 'settle-rows', rows: readonly Row[], fate: Fate }
 *   | { do: 'remove', table: TableName, rows: readonly Row[] }} Step
 *
 * @typedef {object} StepResult
 * @property {readonly Row[]} [rows] Of a page, those that were asked for.
 * @property {number | string | undefined} [after] Where the next page begins; undefined: there is none.
 * @property {number} [last]
 * @property {string | undefined} [letter]
 * @property {readonly string[]} [ids] Those under which there is no letter (any more).
 * @property {number} [count] How many were changed.
 * @property {string | undefined} [problem] Why not all were changed.
 */

/** The most that is read, or changed in one transaction, at a time: a running sidecar waits no longer. */
export const MOST_AT_A_TIME = 500;
const MOST_BYTES_AT_A_TIME = 4 * 1024 * 1024;

/**
 * Does one step.
 * @param {Database} database
 * @param {DiskRoom} room
 * @param {Step} step
 * @returns {StepResult}
 */
export function take(database, room, step) {
  switch (step.do) {
    case 'page':
      return pageOf(database, step);
    case 'last-letter':
      return { last: lastKey(database.letters) };
    case 'letter':
      return { letter: storedLetter(database, step.id)?.value };
    case 'unknown-letters':
      return { ids: step.ids.filter((id) => !isLetter(database, id)) };
    case 'settle':
      return settle(database, room, step);
    case 'settle-rows': {
      const { fate } = step;
      const bytes = (/** @type {Row} */ { value }) => (fate === 'drop' ? 0 : Buffer.byteLength(value));
      return change(room, step.rows, { bytes, one: (row) => settleRow(database, row, fate) });
    }
    case 'remove':
      return change(room, step.rows, { bytes: () => 0, one: (row) => remove(database, step.table, row) });
    default:
      throw new Error('no such step');
  }
}

/**
 * Whether a step changes anything.
 * @param {Step} step
 * @returns {boolean}
 */
export function isChange(step) {
  return step.do === 'settle' || step.do === 'settle-rows' || step.do === 'remove';
}

/**
 * @param {Database} database
 * @param {Extract<Step, { do: 'page' }>} step
 * @returns {StepResult}
 */
function pageOf(database, { table, after, last, including = '' }) {
  /** @type {Row[]} */
  const rows = [];
  let read = 0;
  let bytes = 0;
  const start = after === undefined ? {} : { start: after, exclusiveStart: true };
  const all = /** @type {import('lmdb').Database<string, number | string>} */ (database[table]);
  for (const { key, value } of all.getRange(start)) {
    if (last !== undefined && Number(key) > last) break;
    if (value.includes(including)) rows.push({ key, value, ...summaryOf(database, table, key) });
    read += 1;
    bytes += value.length;
    if (read >= MOST_AT_A_TIME || bytes >= MOST_BYTES_AT_A_TIME) return { rows, after: key };
  }
  return { rows };
}

/**
 * @param {Database} database
 * @param {TableName} table
 * @param {number | string} key
 * @returns {Pick<Row, 'summary'>}
 */
function summaryOf({ summaries }, table, key) {
  return table === 'notifications' ? { summary: summaries.get(Number(key)) } : {};
}

/**
 * @param {Database} database
 * @param {string} id
 * @returns {{ key: number, value: string } | undefined}
 */
function storedLetter({ letters, letterNumbers }, id) {
  const key = letterNumbers.get(id);
  const value = key === undefined ? undefined : letters.get(key);
  return key === undefined || value === undefined ? undefined : { key, value };
}

/**
 * @param {Database} database
 * @param {string} id
 * @returns {boolean}
 */
function isLetter(database, id) {
  return storedLetter(database, id) !== undefined;
}

/**
 * @param {Database} database
 * @param {DiskRoom} room
 * @param {Extract<Step, { do: 'settle' }>} step
 * @returns {StepResult}
 */
function settle(database, room, { ids, fate }) {
  /** @type {string[]} */
  const gone = [];
  const bytes = (/** @type {string} */ id) =>
    fate === 'drop' ? 0 : Buffer.byteLength(storedLetter(database, id)?.value ?? '');
  const isRoom = room.write(ids, {
    bytes,
    change: () => void gone.push(...ids.filter((id) => !settleOne(database, id, fate))),
  });
  if (!isRoom) return { ids: [], count: 0, problem: NO_ROOM };
  return { ids: gone, count: ids.length - gone.length };
}

/**
 * Changes rows in as few transactions as there is room for.
 * @param {DiskRoom} room
 * @param {readonly Row[]} rows
 * @param {{ bytes: (row: Row) => number, one: (row: Row) => boolean }} way `one` says whether it was still there.
 * @returns {StepResult}
 */
function change(room, rows, { bytes, one }) {
  let count = 0;
  const refused = room.writeInPortions(rows, {
    bytes,
    change: (some) => {
      count += some.filter(one).length;
    },
  });
  return { count, problem: refused.length === 0 ? undefined : NO_ROOM };
}

/**
 * False if it is no letter any more.
 * @param {Database} database
 * @param {string} id
 * @param {Fate} fate
 * @returns {boolean}
 */
function settleOne(database, id, fate) {
  const stored = storedLetter(database, id);
  if (stored === undefined) return false;
  if (fate === 'redeliver') {
    // It died again before the sidecar removed its redelivery. That removal would take a new redelivery with it.
    if (database.redeliveries.doesExist(id)) return false;
    database.redeliveries.putSync(id, stored.value);
  }
  dropLetter(database, stored.key, stored.value);
  return true;
}

/**
 * False if it is no letter any more.
 * @param {Database} database
 * @param {Row} row
 * @param {Fate} fate
 * @returns {boolean}
 */
function settleRow(database, { key, value }, fate) {
  if (fate === 'redeliver') return settleOne(database, JSON.parse(value).notification.id, fate);
  if (database.letters.get(Number(key)) !== value) return false;
  dropLetter(database, Number(key), value);
  return true;
}

/**
 * False if it is not there any more.
 * @param {Database} database
 * @param {TableName} table
 * @param {Row} row
 * @returns {boolean}
 */
function remove(database, table, row) {
  if (table === 'letters') return settleRow(database, row, 'drop');
  if (table === 'redeliveries') return database.redeliveries.removeSync(String(row.key));
  return dropRecord(database, Number(row.key));
}

/**
 * @param {Database} database
 * @param {number} key
 * @returns {boolean}
 */
function dropRecord(database, key) {
  const { summaries, notifications, meta } = database;
  const summary = summaries.get(key);
  if (summary === undefined) return notifications.removeSync(key);
  try {
    const [pool, backend] = JSON.parse(summary);
    apply(database, [{ do: 'remove', key, ledger: [pool, backend], end: 'dropped' }]);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    // Its text is damaged, so the sidecar has not counted it either.
    summaries.removeSync(key);
    notifications.removeSync(key);
  }
  // The sidecar that runs looks at this, and then no longer trusts what it has cached.
  meta.putSync('erasures', (meta.get('erasures') ?? 0) + 1);
  return true;
}
