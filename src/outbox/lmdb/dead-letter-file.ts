import { statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Database as Table } from 'lmdb';
import type { DeadLetter } from '../../core/dead-letter.ts';
import type { Notification } from '../../core/delivery.ts';
import { PlainError } from '../../core/errors.ts';
import { apply, type Database, dropLetter, FORMAT, lastKey, openDatabase } from './database.js';
import { decodeLetter, decodeSummary } from './encoding.ts';
import { cannotOpen, prepareFolder } from './folder.ts';

/** So much is read, or changed in one transaction, at a time: a running sidecar waits no longer than for that. */
const MOST_AT_A_TIME = 1000;
const MOST_BYTES_AT_A_TIME = 4 * 1024 * 1024;
/** The lock for writing is not fair: without a pause a running sidecar might never get it. */
const PAUSE_MS = 5;

/** Which letters are meant. */
export type Matches = (letter: DeadLetter) => boolean;

/** What becomes of letters: delivered again by the sidecar that runs or the next one, or gone. */
export type Fate = 'redeliver' | 'drop';

/** How much was removed of one person. */
export interface Erased {
  readonly deadLetters: number;
  readonly redeliveries: number;
  readonly notifications: number;
}

/** An operator's way to what a sidecar has stored, beside that sidecar or without it. */
export class DeadLetterFile {
  readonly #database: Database;

  private constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Undefined if no sidecar has stored anything in the folder yet.
   * @throws PlainError if it cannot be opened.
   */
  static async open(folder: string, access: 'read' | 'write'): Promise<DeadLetterFile | undefined> {
    try {
      // Asked for itself, because what a path through a file says differs between versions of Node.
      if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() === false) {
        throw new PlainError('it is not a folder; set another path');
      }
      if (!statSync(join(folder, 'data.mdb'), { throwIfNoEntry: false })?.size) return undefined;
      prepareFolder(folder);
      const database = openDatabase(folder, { readOnly: access === 'read' });
      // To be read only, a database without our tables has none of them.
      const format = (database.meta as Database['meta'] | undefined)?.get('format');
      if (format !== undefined && format <= FORMAT) return new DeadLetterFile(database);
      await database.root.close();
      if (format === undefined) return undefined;
      throw new PlainError(`it was written by a newer version (format ${format}, this one knows ${FORMAT})`);
    } catch (error) {
      throw cannotOpen(folder, error);
    }
  }

  /** The letters that there are now, oldest first, some at a time. */
  *pages(matches: Matches): Iterable<DeadLetter[]> {
    for (const page of this.#pages(this.#database.letters, lastKey(this.#database.letters))) {
      yield page.map(({ value }) => decodeLetter(value)).filter(matches);
    }
  }

  find(id: string): DeadLetter | undefined {
    const { letters, letterNumbers } = this.#database;
    const number = letterNumbers.get(id);
    const text = number === undefined ? undefined : letters.get(number);
    return text === undefined ? undefined : decodeLetter(text);
  }

  /** In one transaction; if there is no letter for some of the ids, nothing changes, and these are given. */
  settle(ids: readonly string[], fate: Fate): readonly string[] {
    const { root, letterNumbers } = this.#database;
    return root.transactionSync(() => {
      const unknown = ids.filter((id) => !letterNumbers.doesExist(id) || this.#isUnderWay(id, fate));
      if (unknown.length === 0) for (const id of ids) this.#settle(id, fate);
      return unknown;
    });
  }

  /** Those that there are now; resolves to how many they were. */
  async settleAll(matches: Matches, fate: Fate): Promise<number> {
    let count = 0;
    for (const letters of this.pages(matches)) {
      if (letters.length === 0) continue;
      count += this.#database.root.transactionSync(
        () => letters.filter(({ notification: { id } }) => this.#settle(id, fate)).length,
      );
      await pause(PAUSE_MS);
    }
    return count;
  }

  /**
   * Removes all that is stored of what this bare JID sent or received; waiting notifications count as dropped. It goes
   * the way of a notification, so that none passes by.
   */
  async erase(jid: string): Promise<Erased> {
    const { redeliveries, letters, notifications } = this.#database;
    return {
      redeliveries: await this.#eraseFrom(redeliveries, jid, (id) => redeliveries.removeSync(id)),
      notifications: await this.#eraseFrom(notifications, jid, (key) => this.#dropRecord(key)),
      deadLetters: await this.#eraseFrom(letters, jid, (number, value) => {
        if (letters.get(number) !== value) return false;
        dropLetter(this.#database, number, value);
        return true;
      }),
    };
  }

  close(): Promise<void> {
    return this.#database.root.close();
  }

  /** False if it is no letter any more. */
  #settle(id: string, fate: Fate): boolean {
    const { letters, letterNumbers, redeliveries } = this.#database;
    const number = letterNumbers.get(id);
    const text = number === undefined ? undefined : letters.get(number);
    if (number === undefined || text === undefined || this.#isUnderWay(id, fate)) return false;
    if (fate === 'redeliver') redeliveries.putSync(id, text);
    dropLetter(this.#database, number, text);
    return true;
  }

  /** Dead again so soon that the sidecar has not yet forgotten that it redelivered it: it would forget this one. */
  #isUnderWay(id: string, fate: Fate): boolean {
    return fate === 'redeliver' && this.#database.redeliveries.doesExist(id);
  }

  #dropRecord(key: number): boolean {
    const { summaries, notifications, meta } = this.#database;
    const summary = summaries.get(key);
    if (summary === undefined) return notifications.removeSync(key);
    const [pool, backend] = decodeSummary(summary);
    apply(this.#database, [{ do: 'remove', key, ledger: [pool, backend], end: 'dropped' }]);
    // The sidecar that runs looks at this, and then no longer trusts what it has at hand.
    meta.putSync('erasures', (meta.get('erasures') ?? 0) + 1);
    return true;
  }

  async #eraseFrom<Key extends string | number>(
    table: Table<string, Key>,
    jid: string,
    remove: (key: Key, value: string) => boolean,
  ): Promise<number> {
    // Most texts are not worth parsing.
    const inText = JSON.stringify(jid).slice(1, -1);
    let count = 0;
    for (const page of this.#pages(table)) {
      const meant = page.filter(({ value }) => value.includes(inText) && isOf(value, jid));
      if (meant.length === 0) continue;
      count += this.#database.root.transactionSync(
        () => meant.filter(({ key, value }) => remove(key, value)).length,
      );
      await pause(PAUSE_MS);
    }
    return count;
  }

  /** A table in pieces of bounded size, up to the key `last`; between them others may change it. */
  *#pages<Key extends string | number>(
    table: Table<string, Key>,
    last?: Key,
  ): Iterable<{ key: Key; value: string }[]> {
    let after: Key | undefined;
    do {
      // Not an older snapshot, and none that is held while others write.
      this.#database.root.resetReadTxn();
      const page: { key: Key; value: string }[] = [];
      let bytes = 0;
      const start = after === undefined ? {} : { start: after, exclusiveStart: true };
      after = undefined;
      for (const { key, value } of table.getRange(start)) {
        if (last !== undefined && key > last) break;
        page.push({ key, value });
        bytes += value.length;
        if (page.length < MOST_AT_A_TIME && bytes < MOST_BYTES_AT_A_TIME) continue;
        after = key;
        break;
      }
      yield page;
    } while (after !== undefined);
  }
}

/** Whether a letter or a notification is one that this bare JID sent or received. */
function isOf(text: string, jid: string): boolean {
  const stored = JSON.parse(text) as DeadLetter | Notification;
  const { sender, receiver } = 'notification' in stored ? stored.notification : stored;
  return sender === jid || receiver === jid;
}
