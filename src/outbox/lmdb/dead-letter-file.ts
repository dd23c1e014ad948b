import { setTimeout as pause } from 'node:timers/promises';
import type { Database as Table } from 'lmdb';
import type { DeadLetter } from '../../core/dead-letter.ts';
import { PlainError } from '../../core/errors.ts';
import { apply, type Database, dropLetter, FORMAT, lastKey, openDatabase } from './database.js';
import { DiskRoom, NO_ROOM, type Way } from './disk-room.js';
import { decodeLetter, decodeSummary, isOf } from './encoding.ts';
import { cannotOpen, prepareBeside } from './folder.ts';
import { MOST_AT_A_TIME, pagesOf, reading, type Row } from './pages.ts';
import { allSignals, stopSignals, undisturbed } from './undisturbed.ts';

/** The lock for writing is not fair: without a pause a running sidecar might never get it. */
const PAUSE_MS = 5;

/** Which letters are meant. */
export type Matches = (letter: DeadLetter) => boolean;

/** What becomes of letters: delivered again by the sidecar that runs or the next one, or gone. */
export type Fate = 'redeliver' | 'drop';

/** What has become of letters that were named. */
export interface Settled {
  readonly count: number;
  /** The ids for which there is no letter. */
  readonly unknown: readonly string[];
}

/** How much was removed of one person. */
export interface Erased {
  readonly deadLetters: number;
  readonly redeliveries: number;
  readonly notifications: number;
}

/**
 * An operator's way to what a sidecar has stored, beside that sidecar or without it. It changes so much at a time as the
 * sidecar can wait for; what was changed stays changed, whatever comes afterwards.
 */
export class DeadLetterFile {
  readonly #database: Database;
  readonly #room: DiskRoom;
  #unreadable = 0;

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
      const readOnly = access === 'read';
      // To write is to wait for whoever writes, and that must be easy to end.
      const database = await undisturbed(readOnly ? allSignals : [], () =>
        openDatabase(folder, { readOnly }),
      );
      const { root, meta } = database;
      // To be read only, a database without our tables has none of them.
      const format = await reading(root, () => (meta as Database['meta'] | undefined)?.get('format'));
      if (format !== undefined && format <= FORMAT) return new DeadLetterFile(folder, database);
      await root.close();
      if (format === undefined) return undefined;
      throw new PlainError(`it was written by a newer version (format ${format}, this one knows ${FORMAT})`);
    } catch (error) {
      throw cannotOpen(folder, error);
    }
  }

  /** How many letters were met that cannot be read: their texts are damaged. */
  get unreadable(): number {
    return this.#unreadable;
  }

  /** The letters that there are now, oldest first, some at a time; without those that cannot be read. */
  async *pages(matches: Matches): AsyncIterable<DeadLetter[]> {
    for await (const page of this.#rows()) {
      yield page.flatMap(({ value }) => this.#read(value) ?? []).filter(matches);
    }
  }

  /** @throws PlainError if it cannot be read. */
  async find(id: string): Promise<DeadLetter | undefined> {
    const stored = await reading(this.#database.root, () => this.#stored(id));
    if (stored === undefined) return undefined;
    const letter = this.#read(stored.value);
    if (letter === undefined)
      throw new PlainError(`the dead letter ${id} cannot be read: its text is damaged`);
    return letter;
  }

  /**
   * If there is no letter for some of the ids, nothing changes, and these are given. Of more than one transaction takes,
   * those are given too that somebody else has taken since.
   * @throws PlainError if the disk is full.
   */
  async settle(ids: readonly string[], fate: Fate): Promise<Settled> {
    const isUnknown = (id: string): boolean => this.#stored(id) === undefined || this.#isUnderWay(id, fate);
    const unknown = await reading(this.#database.root, () => ids.filter(isUnknown));
    if (unknown.length > 0) return { count: 0, unknown };
    let count = 0;
    for (let from = 0; from < ids.length; from += MOST_AT_A_TIME) {
      const some = ids.slice(from, from + MOST_AT_A_TIME);
      const taken: string[] = [];
      const isWritten = await this.#change(() =>
        this.#room.write(some, {
          bytes: (id) => this.#bytesOf(id, fate),
          change: () => void taken.push(...some.filter((id) => !this.#settle(id, fate))),
        }),
      );
      if (!isWritten) throw noRoom(count);
      count += some.length - taken.length;
      unknown.push(...taken);
    }
    return { count, unknown };
  }

  /**
   * Those that there are now, `all` or those that match; resolves to how many they were. Of those that cannot be read only
   * all can be dropped.
   * @throws PlainError if the disk is full.
   */
  async settleAll(matches: Matches | 'all', fate: Fate): Promise<number> {
    let count = 0;
    for await (const page of this.#rows()) {
      const meant = page.filter(({ value }) => {
        if (matches === 'all' && fate === 'drop') return true;
        const letter = this.#read(value);
        return letter !== undefined && (matches === 'all' || matches(letter));
      });
      await this.#changeAll(meant, count, {
        bytes: ({ value }) => (fate === 'drop' ? 0 : Buffer.byteLength(value)),
        change: (some) => {
          count += some.filter((row) => this.#settleRow(row, fate)).length;
        },
      });
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
      redeliveries: await this.#eraseFrom(redeliveries, jid, ({ key }) => redeliveries.removeSync(key)),
      notifications: await this.#eraseFrom(notifications, jid, ({ key }) => this.#dropRecord(key)),
      deadLetters: await this.#eraseFrom(letters, jid, (row) => this.#settleRow(row, 'drop')),
    };
  }

  close(): Promise<void> {
    this.#room.close();
    return this.#database.root.close();
  }

  /** Those that there are now: what dies meanwhile is not among them. */
  async *#rows(): AsyncIterable<Row<number>[]> {
    const { root, letters } = this.#database;
    const last = await reading(root, () => lastKey(letters));
    yield* pagesOf(root, letters, last);
  }

  #read(text: string): DeadLetter | undefined {
    try {
      return decodeLetter(text);
    } catch {
      this.#unreadable += 1;
      return undefined;
    }
  }

  /** Ctrl-Z waits until it is done: the sidecar would wait for whoever is stopped in a transaction. */
  async #change(change: () => boolean): Promise<boolean> {
    const isDone = await undisturbed(stopSignals, change);
    await pause(PAUSE_MS);
    return isDone;
  }

  /** @param count How many were changed before, for the error. */
  async #changeAll<Item>(items: readonly Item[], count: number, way: Way<Item>): Promise<void> {
    if (items.length === 0) return;
    if (!(await this.#change(() => this.#room.writeInPortions(items, way).length === 0))) throw noRoom(count);
  }

  #stored(id: string): Row<number> | undefined {
    const { letters, letterNumbers } = this.#database;
    const key = letterNumbers.get(id);
    const value = key === undefined ? undefined : letters.get(key);
    return key === undefined || value === undefined ? undefined : { key, value };
  }

  /** What settling it adds to the file. */
  #bytesOf(id: string, fate: Fate): number {
    return fate === 'drop' ? 0 : Buffer.byteLength(this.#stored(id)?.value ?? '');
  }

  /** False if it is no letter any more. */
  #settle(id: string, fate: Fate): boolean {
    const stored = this.#stored(id);
    if (stored === undefined || this.#isUnderWay(id, fate)) return false;
    if (fate === 'redeliver') this.#database.redeliveries.putSync(id, stored.value);
    dropLetter(this.#database, stored.key, stored.value);
    return true;
  }

  /** False if it is no letter any more. */
  #settleRow({ key, value }: Row<number>, fate: Fate): boolean {
    if (fate === 'redeliver') return this.#settle(decodeLetter(value).notification.id, fate);
    if (this.#database.letters.get(key) !== value) return false;
    dropLetter(this.#database, key, value);
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
    try {
      const [pool, backend] = decodeSummary(summary);
      apply(this.#database, [{ do: 'remove', key, ledger: [pool, backend], end: 'dropped' }]);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      // Its text is damaged: the sidecar has not counted it either.
      summaries.removeSync(key);
      notifications.removeSync(key);
    }
    // The sidecar that runs looks at this, and then no longer trusts what it has at hand.
    meta.putSync('erasures', (meta.get('erasures') ?? 0) + 1);
    return true;
  }

  async #eraseFrom<Key extends string | number>(
    table: Table<string, Key>,
    jid: string,
    remove: (row: Row<Key>) => boolean,
  ): Promise<number> {
    // Most texts are not worth parsing.
    const inText = JSON.stringify(jid).slice(1, -1);
    let count = 0;
    for await (const page of pagesOf(this.#database.root, table)) {
      const meant = page.filter(({ value }) => value.includes(inText) && isOf(value, jid));
      await this.#changeAll(meant, count, {
        bytes: () => 0,
        change: (some) => {
          count += some.filter(remove).length;
        },
      });
    }
    return count;
  }
}

function noRoom(count: number): PlainError {
  return new PlainError(`${NO_ROOM}; ${count} were changed before`);
}
