import { setTimeout as pause } from 'node:timers/promises';
import type { Database as Table } from 'lmdb';
import type { DeadLetter } from '../../core/dead-letter.ts';
import { PlainError } from '../../core/errors.ts';
import { apply, type Database, dropLetter, FORMAT, lastKey, openDatabase } from './database.js';
import { DiskRoom, NO_ROOM, type Way } from './disk-room.js';
import { decodeLetter, decodeSummary, isOf } from './encoding.ts';
import { cannotOpen, prepareBeside } from './folder.ts';
import { pagesOf } from './pages.ts';

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
  readonly #room: DiskRoom;

  private constructor(folder: string, database: Database) {
    this.#database = database;
    this.#room = new DiskRoom(folder, database);
  }

  /**
   * Undefined if no sidecar has stored anything in the folder yet.
   * @throws PlainError if it cannot be opened.
   */
  static async open(folder: string, access: 'read' | 'write'): Promise<DeadLetterFile | undefined> {
    try {
      if (!(await prepareBeside(folder))) return undefined;
      const database = openDatabase(folder, { readOnly: access === 'read' });
      // To be read only, a database without our tables has none of them.
      const format = (database.meta as Database['meta'] | undefined)?.get('format');
      if (format !== undefined && format <= FORMAT) return new DeadLetterFile(folder, database);
      await database.root.close();
      if (format === undefined) return undefined;
      throw new PlainError(`it was written by a newer version (format ${format}, this one knows ${FORMAT})`);
    } catch (error) {
      throw cannotOpen(folder, error);
    }
  }

  /** The letters that there are now, oldest first, some at a time. */
  *pages(matches: Matches): Iterable<DeadLetter[]> {
    const { root, letters } = this.#database;
    for (const page of pagesOf(root, letters, lastKey(letters))) {
      yield page.map(({ value }) => decodeLetter(value)).filter(matches);
    }
  }

  find(id: string): DeadLetter | undefined {
    const stored = this.#stored(id);
    return stored && decodeLetter(stored.text);
  }

  /**
   * In one transaction; if there is no letter for some of the ids, nothing changes, and these are given.
   * @throws PlainError if the disk is full.
   */
  settle(ids: readonly string[], fate: Fate): readonly string[] {
    const { root, letterNumbers } = this.#database;
    return root.transactionSync(() => {
      const unknown = ids.filter((id) => !letterNumbers.doesExist(id) || this.#isUnderWay(id, fate));
      if (unknown.length > 0) return unknown;
      const bytes = ids.reduce((sum, id) => sum + this.#bytesOf(id, fate), 0);
      if (!this.#room.isFor(ids.length, bytes)) throw new PlainError(NO_ROOM);
      for (const id of ids) this.#settle(id, fate);
      return unknown;
    });
  }

  /**
   * Those that there are now; resolves to how many they were.
   * @throws PlainError if the disk is full.
   */
  async settleAll(matches: Matches, fate: Fate): Promise<number> {
    let count = 0;
    for (const letters of this.pages(matches)) {
      if (letters.length === 0) continue;
      this.#write(letters, {
        bytes: ({ notification: { id } }) => this.#bytesOf(id, fate),
        change: (some) => {
          count += some.filter(({ notification: { id } }) => this.#settle(id, fate)).length;
        },
      });
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
    this.#room.close();
    return this.#database.root.close();
  }

  #write<Item>(items: readonly Item[], way: Way<Item>): void {
    if (this.#room.writeInPortions(items, way).length > 0) throw new PlainError(NO_ROOM);
  }

  #stored(id: string): { readonly number: number; readonly text: string } | undefined {
    const { letters, letterNumbers } = this.#database;
    const number = letterNumbers.get(id);
    const text = number === undefined ? undefined : letters.get(number);
    return number === undefined || text === undefined ? undefined : { number, text };
  }

  /** What settling it adds to the file. */
  #bytesOf(id: string, fate: Fate): number {
    return fate === 'drop' ? 0 : Buffer.byteLength(this.#stored(id)?.text ?? '');
  }

  /** False if it is no letter any more. */
  #settle(id: string, fate: Fate): boolean {
    const stored = this.#stored(id);
    if (stored === undefined || this.#isUnderWay(id, fate)) return false;
    if (fate === 'redeliver') this.#database.redeliveries.putSync(id, stored.text);
    dropLetter(this.#database, stored.number, stored.text);
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
    for (const page of pagesOf(this.#database.root, table)) {
      const meant = page.filter(({ value }) => value.includes(inText) && isOf(value, jid));
      if (meant.length === 0) continue;
      this.#write(meant, {
        bytes: () => 0,
        change: (some) => {
          count += some.filter(({ key, value }) => remove(key, value)).length;
        },
      });
      await pause(PAUSE_MS);
    }
    return count;
  }
}
